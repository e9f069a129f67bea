package memory_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/memory"
)

// The clock of each store can be set forward; all other waiting, in a bubble,
// takes no time.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(testing.TB) conformance.Subject {
		var gone atomic.Int64
		s := memory.New(&memory.Options{
			MaxData: 2 << 20,
			Now:     func() time.Time { return time.Now().Add(time.Duration(gone.Load())) },
		})
		return conformance.Subject{
			Store:     s,
			Age:       func(_ context.Context, d time.Duration) error { gone.Add(int64(d)); return nil },
			Rows:      func(context.Context) (int, error) { return memory.Rows(s), nil },
			MaxData:   2 << 20,
			Precision: time.Nanosecond,
			Server:    "the process itself",
		}
	}, conformance.InBubble(), conformance.Strict(), conformance.Claim(conformance.Core, conformance.Listing), reports.Save(t))
}
