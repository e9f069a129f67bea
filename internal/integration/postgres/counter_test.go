package postgres_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
)

// The lesson's scene: two browsers count apart, and a restart changes nothing.
func TestCounterGoesOn(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	counter.GoesOn(t, x.url+"&table="+x.opts.Table)
}
