package redis_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/together"
)

// visit counts one up on a session.
var visit = together.Visit

// REL-10: processes that count on one session. The sum is what was acknowledged.
func TestProcessesCount(t *testing.T) {
	each := 100
	if full() {
		each = 1000
	}
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			together.Count(t, "count", x.storeURL(), x.open(t, x.client), each)
		})
	}
}
