package postgres_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
)

// SEC-16: visits to three processes at once, while one of them is asked to end the
// session. However they fall, the session is gone afterwards.
func TestEndedStaysEnded(t *testing.T) {
	t.Parallel()
	x := newTable(t, shared.URL(t))
	counter.EndedStaysEnded(t, x.url+"&table="+x.opts.Table)
}
