package mystore_test

import (
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/examples/readme/mystore"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, func(testing.TB) conformance.Subject {
		s := mystore.New()
		return conformance.Subject{Store: s, Age: s.Age, Precision: time.Nanosecond}
	}, conformance.Claim(conformance.Core))
}
