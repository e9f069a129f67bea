package diary

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Server is one that a test kills.
type Server interface {
	Kill(ctx context.Context) error
	Restart(ctx context.Context) error
}

// Killed has the server killed under load and started again, several times, each after so
// many writes were acknowledged. Meanwhile there are errors, none of which says that a
// session is not there; afterwards nothing that was acknowledged is lost, deletes included,
// and the store works without being reopened.
func Killed(t *testing.T, sv Server, s store.Store, rounds, acknowledged int) {
	t.Helper()
	for round := range rounds {
		d := Begin(t.Context(), s, fmt.Sprint(round))
		d.until(t, func(c Counts) bool { return c.Acknowledged > acknowledged })
		if err := sv.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until(t, func(c Counts) bool { return c.Failed > 0 })
		if err := sv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		began, before := time.Now(), d.Counts()
		d.until(t, func(c Counts) bool { return c.Acknowledged > before.Acknowledged })
		back := time.Since(began)
		d.Stop()
		found, err := d.Check(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Error(f)
		}
		t.Logf("round %d: %+v, %d wrong; the first answer %v after the server's return", round, d.Counts(), len(found), back)
	}
}

// until waits for what must come soon.
func (d *Diary) until(t *testing.T, enough func(Counts) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := d.Await(ctx, enough); err != nil {
		t.Fatal(err)
	}
}
