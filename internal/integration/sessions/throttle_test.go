package sessions_test

import (
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
)

// REL-15: a session is touched by the first of a thousand reads, and by none of the others
// until a tenth of its idle timeout is over, which here is weeks.
func TestREL15ReadsWriteOnce(t *testing.T) {
	const reads, day = 1000, 24 * time.Hour
	everywhere(t, func(t *testing.T, p *place) {
		s := faulty.New(p.store)
		site := func(idle time.Duration, f func(s *session.Session) error) string {
			return page(t, s, session.Options{Timeout: patience, Idle: idle, Absolute: -1}, f).URL
		}
		// It is written with half the life that readers have, so that the first of them
		// finds it in need of a touch.
		written := site(200*day, func(s *session.Session) error { return visits.Set(s, 1) })
		read := site(400*day, func(s *session.Session) error {
			if n := visits.Get(s); n != 1 {
				t.Errorf("a read found %d", n)
			}
			return nil
		})
		var b tab
		b.fine(t, written)
		if b.cookie == "" {
			t.Fatal("no cookie")
		}
		writes := func() int {
			return s.Calls(faulty.Create) + s.Calls(faulty.Update) + s.Calls(faulty.Touch) + s.Calls(faulty.Delete)
		}
		before, loads := writes(), s.Calls(faulty.Load)
		b.fine(t, read)
		if n := writes() - before; n != 1 || s.Calls(faulty.Touch) != 1 {
			t.Errorf("%d writes by the first read, %d of them touches, want one touch", n, s.Calls(faulty.Touch))
		}
		atOnce(4, func(int) {
			b := b
			for range reads / 4 {
				b.fine(t, read)
			}
		})
		if n := writes() - before; n != 1 {
			t.Errorf("%d writes by %d reads, want 1", n, reads)
		}
		if n := s.Calls(faulty.Load) - loads; n != reads+1 {
			t.Errorf("%d loads by %d reads", n, reads+1)
		}
	})
}
