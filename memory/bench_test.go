package memory_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/memory"
)

func BenchmarkStore(b *testing.B) {
	conformance.Bench(b, func(testing.TB) conformance.Subject { return conformance.Subject{Store: memory.New(nil)} })
}
