package session_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// read has a request only read.
func (b *browser) read() {
	b.t.Helper()
	b.use(func(s *session.Session) error { visits.Get(s); return nil })
}

// left is what is left of the only session's life, by the store.
func (st *site) left() time.Duration {
	st.t.Helper()
	for l, err := range st.store.List(ctx, store.Query{}) {
		if err != nil {
			st.t.Fatal(err)
		}
		return l.TTL
	}
	st.t.Fatal("there is no session")
	return 0
}

// REL-15, and each session its own phase.
func TestTouchIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * time.Hour})
		b := st.browser()
		b.visit()
		for range 1000 {
			time.Sleep(3600 * time.Millisecond) // an hour in all
			b.read()
		}
		if n := st.store.Calls(faulty.Touch); n != 1 {
			t.Errorf("%d touches in 1,000 reads within a tenth of the idle timeout, want 1", n)
		}
		if n := st.store.Calls(faulty.Update); n != 0 {
			t.Errorf("%d updates in 1,000 reads", n)
		}
		for range 100 {
			time.Sleep(20 * time.Minute)
			b.read()
		}
		if n := st.store.Calls(faulty.Touch); n < 33 || n > 35 {
			t.Errorf("%d touches in 33 tenths, want one each", n)
		}
		if l := st.left(); l < 8*time.Hour {
			t.Errorf("%v left of an active session", l)
		}

		// All that were created at once are not touched at once.
		bs := make([]*browser, 60)
		for i := range bs {
			bs[i] = st.browser()
			bs[i].visit()
		}
		most := 0
		for range 60 {
			time.Sleep(time.Minute)
			before := st.store.Calls(faulty.Touch)
			for _, b := range bs {
				b.read()
			}
			most = max(most, st.store.Calls(faulty.Touch)-before)
		}
		if most > 12 {
			t.Errorf("%d of 60 sessions were touched in the same of 60 minutes", most)
		}
	})
}

func TestAFailedTouchFailsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		b.visit()
		time.Sleep(30 * time.Minute)
		st.told()
		undo := st.store.Fail(faulty.Fault{Verb: faulty.Touch})
		if w := b.use(func(s *session.Session) error { return nil }); w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
		if got := st.told(); undo() != 1 || !slices.Equal(got, []session.Kind{session.TouchError}) {
			t.Errorf("events: %v", got)
		}
		// The session ended between Load and Touch.
		w := b.use(func(s *session.Session) error { return store.Clear(ctx, st.store) })
		if got := st.told(); w.Code != 200 || !slices.Equal(got, []session.Kind{session.Gone}) {
			t.Errorf("status %d, events: %v", w.Code, got)
		}
	})
}

func TestSEC18Idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		b.visit()
		time.Sleep(time.Hour - 1)
		if n := b.visit(); n != 2 {
			t.Errorf("1 ns before the end: visit %d, want 2", n)
		}
		before := b.cookie
		time.Sleep(time.Hour)
		st.told()
		if n := b.visit(); n != 1 || b.cookie == before {
			t.Errorf("at the end: visit %d, the same id: %v", n, b.cookie == before)
		}
		if got := st.told(); !slices.Equal(got, []session.Kind{session.UnknownID, session.Created}) {
			t.Errorf("events: %v", got)
		}
	})
}

func TestSEC18Absolute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * time.Hour, Absolute: 24 * time.Hour})
		b := st.browser()
		began := time.Now().Truncate(time.Millisecond)
		b.visit()
		for range 7 {
			time.Sleep(3 * time.Hour)
			b.visit()
		}
		if l := st.left(); l != 3*time.Hour-time.Since(began.Add(21*time.Hour)) {
			t.Errorf("the store keeps it for %v, want what is left of 24 h", l)
		}
		b.use(func(s *session.Session) error {
			if got := s.Ends(); !got.Equal(began.Add(24 * time.Hour)) {
				t.Errorf("Ends: %v, want %v", got, began.Add(24*time.Hour))
			}
			return nil
		})
		// A store that keeps it for longer, as if somebody had planted it.
		for l := range st.store.List(ctx, store.Query{}) {
			if err := st.store.Touch(ctx, l.ID, 10*365*24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		b.read()
		if l := st.left(); l > 3*time.Hour {
			t.Errorf("a life that was too long is %v after a request", l)
		}
		for l := range st.store.List(ctx, store.Query{}) {
			if err := st.store.Touch(ctx, l.ID, 10*365*24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Until(began.Add(24 * time.Hour)))
		st.told()
		b.use(func(s *session.Session) error {
			if !s.New() || visits.Get(s) != 0 {
				t.Error("the session is there after its absolute timeout")
			}
			return nil
		})
		if got := st.told(); !slices.Equal(got, []session.Kind{session.Expired}) || st.sessions() != 0 {
			t.Errorf("events: %v; %d sessions", got, st.sessions())
		}
	})
}

func TestBeganAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		time.Sleep(1234567) // no whole millisecond
		began := time.Now().Truncate(time.Millisecond)
		check := func(what string, s *session.Session, ends time.Time) {
			t.Helper()
			if !s.Began().Equal(began) || s.Ends().Sub(ends).Abs() > 2*time.Millisecond {
				t.Errorf("%s: began %v, ends %v; want %v, %v", what, s.Began(), s.Ends(), began, ends)
			}
		}
		b.use(func(s *session.Session) error {
			check("new", s, time.Now().Add(time.Hour))
			return visits.Set(s, 1)
		})
		time.Sleep(time.Second)
		b.use(func(s *session.Session) error {
			if s.Ends().After(time.Now().Add(time.Hour)) {
				t.Errorf("Ends: %v", s.Ends())
			}
			err := visits.Set(s, 2)
			check("changed", s, time.Now().Add(time.Hour))
			return err
		})
	})
}

// The life of a session that a slow handler has in hand is not taken for too long.
func TestSlowHandlerDoesNotTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * time.Hour, Absolute: 5 * time.Hour})
		b := st.browser()
		b.visit()
		b.use(func(*session.Session) error { time.Sleep(time.Hour); return nil })
		if n := st.store.Calls(faulty.Touch); n != 0 {
			t.Errorf("%d touches of a session that lives as long as it may", n)
		}
	})
}

func TestOneOfTheTimeoutsIsOff(t *testing.T) {
	for _, opts := range []session.Options{{Idle: -1}, {Absolute: -1}} {
		synctest.Test(t, func(t *testing.T) {
			st := newSite(t, opts)
			b := st.browser()
			b.visit()
			want := 30 * 24 * time.Hour
			if opts.Absolute < 0 {
				want = 24 * time.Hour
			}
			if l := st.left(); l.Round(time.Second) != want {
				t.Errorf("%+v: %v left, want %v", opts, l, want)
			}
			for range 50 {
				time.Sleep(want / 20)
				b.read()
			}
			if n, still := st.sessions(), opts.Absolute < 0; (n == 1) != still {
				t.Errorf("%+v: %d sessions after 2.5 lives of reading", opts, n)
			}
		})
	}
}

// The handlers of one request may use its session together.
func TestGoroutinesOfOneRequest(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.use(func(s *session.Session) error {
		b.clone().visit() // the save will have to merge
		var wg sync.WaitGroup
		for i := range 20 {
			key := session.NewKey[int](fmt.Sprint("key", i%5))
			wg.Go(func() {
				if _, err := visits.Update(s, plus1); err != nil {
					t.Error(err)
				}
				_ = key.Set(s, i)
				key.Get(s)
				s.Ends()
				if i%7 == 0 {
					if err := s.Save(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		return nil
	})
	if n := b.visit(); n != 23 {
		t.Errorf("visit %d, want 23", n)
	}
}
