package redis_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
)

// The lesson's scene: two browsers count apart, and a restart changes nothing.
func TestCounterGoesOn(t *testing.T) {
	t.Parallel()
	counter.GoesOn(t, newSpace(t, shared.URL(t)).storeURL())
}
