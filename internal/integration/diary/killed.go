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
	KilledBut(t, sv, s, 0, rounds, acknowledged)
}

// KilledBut is [Killed] of a server that promises less: what it acknowledged so shortly
// before it was killed may be lost. Most was acknowledged before that, or the test would
// show little, and fails.
func KilledBut(t *testing.T, sv Server, s store.Store, last time.Duration, rounds, acknowledged int) {
	t.Helper()
	for round := range rounds {
		d := Begin(t.Context(), s, fmt.Sprint(round))
		d.until(t, func(c Counts) bool { return c.Acknowledged > acknowledged })
		end := time.Now()
		if err := sv.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.until(t, func(c Counts) bool { return c.Failed > 0 })
		if last > 0 {
			d.MayLose(end.Add(-last))
		}
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
		now := d.Counts()
		if now.Late > acknowledged/2 {
			t.Errorf("%d writes of %d were acknowledged within %v of the kill: this shows little", now.Late, acknowledged, last)
		}
		t.Logf("round %d: %+v, %d wrong; the first answer %v after the server's return", round, now, len(found), back)
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
