package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// coarse is a store whose lifetimes are whole seconds, rounded up as TTL-4 wants.
type coarse struct{ store.Store }

func (c coarse) Load(ctx context.Context, id string) (store.Entry, error) {
	e, err := c.Store.Load(ctx, id)
	e.TTL = (e.TTL + time.Second - 1).Truncate(time.Second)
	return e, err
}

// plant gives the only session that lifetime.
func (st *site) plant(ttl time.Duration) {
	st.t.Helper()
	for l, err := range st.store.List(ctx, store.Query{}) {
		if err != nil {
			st.t.Fatal(err)
		}
		if err := st.store.Touch(ctx, l.ID, ttl); err != nil {
			st.t.Fatal(err)
		}
	}
}

// SEC-18: absolute at t-1, t and t+1, by the manager's clock, whatever the store says.
func TestSEC18AbsoluteToTheNanosecond(t *testing.T) {
	for _, off := range []time.Duration{-1, 0, 1} {
		synctest.Test(t, func(t *testing.T) {
			st := newSite(t, session.Options{Absolute: time.Hour})
			b := st.browser()
			end := time.Now().Truncate(time.Millisecond).Add(time.Hour)
			b.visit()
			st.plant(10 * 365 * 24 * time.Hour)
			time.Sleep(time.Until(end.Add(off)))
			b.use(func(s *session.Session) error {
				if s.New() != (off >= 0) {
					t.Errorf("at t%+d: New is %v", off, s.New())
				}
				return nil
			})
		})
	}
}

// A session that is over when the handler ends, but was not when it began: it is
// neither saved nor touched, nor does one come to be that may not live.
func TestAbsoluteDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Absolute: time.Hour})
		b := st.browser()
		b.visit()
		st.plant(10 * 365 * 24 * time.Hour)
		time.Sleep(59 * time.Minute)
		st.told()
		calls := st.store.Calls("")
		if w := b.clone().use(func(s *session.Session) error { time.Sleep(2 * time.Minute); return nil }); w.Code != 200 {
			t.Errorf("reading: status %d", w.Code)
		}
		if n := st.store.Calls("") - calls; n != 1 {
			t.Errorf("reading: %d store calls, want 1", n)
		}
		b.cookie = ""
		b.visit()
		b.use(func(s *session.Session) error {
			_, err := visits.Update(s, plus1)
			time.Sleep(2 * time.Hour)
			wantErr(t, "Save", s.Save(), session.ErrGone)
			return err
		})
		b.cookie = ""
		b.use(func(s *session.Session) error {
			_, err := visits.Update(s, plus1)
			time.Sleep(time.Hour)
			wantErr(t, "Save of a new one", s.Save(), session.ErrGone)
			return err
		})
		if b.cookie != "" {
			t.Error("a cookie for a session that is over")
		}
	})
}

// REL-14: the server's clock steps back and forth; what lives by the store's clock
// goes on living, and is not touched at every request.
func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var off time.Duration
			st := newSite(t, session.Options{Idle: 10 * time.Hour, Absolute: -1, Now: func() time.Time { return time.Now().Add(off) }})
			b := st.browser()
			b.visit()
			for i := range 100 {
				time.Sleep(10 * time.Minute)
				off = step * time.Duration(i%2)
				b.use(func(s *session.Session) error {
					if n := visits.Get(s); n != 1 {
						t.Errorf("step %v: %d after %d requests", step, n, i)
					}
					return nil
				})
			}
			// Two clocks have two rows of windows.
			if n := st.store.Calls(faulty.Touch); n < 14 || n > 36 {
				t.Errorf("step %v: %d touches in 1,000 minutes of reading every ten", step, n)
			}
			// It steps while a handler runs.
			off = 0
			b.use(func(s *session.Session) error { off = step; return nil })
			if l := st.left(); l < 9*time.Hour-10*time.Minute || l > 10*time.Hour {
				t.Errorf("step %v: %v left", step, l)
			}
		})
	}
}

// A session that began in the future, by another server's clock, is not given more
// than the absolute timeout.
func TestBeganInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New(nil)
		ahead := newSiteOn(t, shared, session.Options{Idle: -1, Absolute: 24 * time.Hour, Now: func() time.Time { return time.Now().Add(time.Hour) }})
		st := newSiteOn(t, shared, session.Options{Idle: -1, Absolute: 24 * time.Hour})
		b := ahead.browser()
		b.visit()
		b.site = st
		if n := b.visit(); n != 2 {
			t.Errorf("visit %d, want 2", n)
		}
		if l := st.left(); l != 24*time.Hour {
			t.Errorf("%v left, want 24 h", l)
		}
	})
}

// A store that rounds lifetimes up to its second is not taken for one that keeps
// sessions for too long, and a deploy that shortens the timeout takes effect.
func TestCoarseStoreAndShorterTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New(nil)
		st := newSiteOn(t, coarse{shared}, session.Options{Idle: 10 * time.Minute, Absolute: 5 * time.Minute})
		b := st.browser()
		time.Sleep(300 * time.Millisecond)
		b.visit()
		for range 200 { // through four tenths of the idle timeout
			time.Sleep(1234 * time.Millisecond)
			b.read()
		}
		if n := st.store.Calls(faulty.Touch); n != 0 {
			t.Errorf("%d touches of a session that lives as long as it may", n)
		}
		b.site = newSiteOn(t, shared, session.Options{Idle: 20 * time.Second})
		b.read()
		if l := b.left(); l != 20*time.Second || b.store.Calls(faulty.Touch) != 1 {
			t.Errorf("%v left after a deploy with a shorter timeout, %d touches", l, b.store.Calls(faulty.Touch))
		}
	})
}

// Timeouts so short that they have no tenths.
func TestTinyTimeouts(t *testing.T) {
	for _, d := range []time.Duration{1, 9, 10, time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			b := newSite(t, session.Options{Idle: d, Absolute: d}).browser()
			for range 3 {
				if w := b.use(func(s *session.Session) error { visits.Get(s); return visits.Set(s, 1) }); w.Code != 200 {
					t.Errorf("%v: status %d", d, w.Code)
				}
				time.Sleep(d)
			}
		})
	}
	// No idle timeout at all, and a clock that steps back.
	synctest.Test(t, func(t *testing.T) {
		var off time.Duration
		b := newSite(t, session.Options{Idle: -1, Now: func() time.Time { return time.Now().Add(off) }}).browser()
		b.visit()
		time.Sleep(2 * time.Hour)
		off = -time.Hour
		b.read()
		if n := b.store.Calls(faulty.Touch); n != 0 {
			t.Errorf("%d touches without an idle timeout", n)
		}
	})
}

// Ends is what the session's next request will find.
func TestEndsIsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * time.Hour})
		b := st.browser()
		b.visit()
		for i := range 200 {
			time.Sleep(7 * time.Minute)
			var said time.Time
			var s *session.Session
			b.use(func(of *session.Session) error {
				s = of
				err := visits.Set(s, visits.Get(s)) // nothing changes
				said = s.Ends()
				return err
			})
			if i%10 == 0 {
				time.Sleep(61 * time.Minute) // a touch would be due
			}
			if is := time.Now().Add(st.left()); said.Sub(is).Abs() > time.Millisecond || s.Ends().Sub(is).Abs() > time.Millisecond {
				t.Fatalf("Ends: %v, afterwards %v, by the store %v", said, s.Ends(), is)
			}
		}
	})
}

// Save in between does not extend a life; the end of the request does.
func TestSaveDoesNotTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		b.visit()
		time.Sleep(30 * time.Minute)
		b.use(func(s *session.Session) error {
			err := s.Save()
			if n := st.store.Calls(faulty.Touch); n != 0 {
				t.Errorf("%d touches by Save", n)
			}
			return err
		})
		if n := st.store.Calls(faulty.Touch); n != 1 {
			t.Errorf("%d touches by the request", n)
		}
	})
}

// Nor is a session touched that the same request has saved.
func TestSavedIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		b.visit()
		time.Sleep(30 * time.Minute)
		b.use(func(s *session.Session) error {
			time.Sleep(20 * time.Minute)
			_, err := visits.Update(s, plus1)
			saved := s.Save()
			if left := time.Until(s.Ends()); left < time.Hour-time.Millisecond || left > time.Hour {
				t.Errorf("Ends in %v", left)
			}
			return errors.Join(err, saved)
		})
		if n := st.store.Calls(faulty.Touch); n != 0 {
			t.Errorf("%d touches", n)
		}
	})
}

type contextKey struct{}

// The store is called with the request's values, without its cancellation, and with
// the earlier of the two deadlines.
func TestStoresContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &watched{Store: memory.New(nil)}
		for _, c := range []struct{ timeout, request, want time.Duration }{
			{0, 0, 2 * time.Second}, {0, time.Second, time.Second}, {0, time.Minute, 2 * time.Second}, {-1, 0, 0}, {-1, time.Minute, time.Minute}, {time.Second, 0, time.Second},
		} {
			st := newSiteOn(t, seen, session.Options{Timeout: c.timeout})
			b := st.browser()
			b.visit()
			seen.calls = nil
			parent, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "trace"))
			if c.request > 0 {
				parent, cancel = context.WithTimeout(parent, c.request)
			}
			r := httptest.NewRequestWithContext(parent, "GET", "/", nil)
			r.Header.Set("Cookie", b.cookie)
			h := st.manager.Handler(exit(t, func(s *session.Session) error { cancel(); _, err := visits.Update(s, plus1); return err }))
			h.ServeHTTP(httptest.NewRecorder(), r)
			if len(seen.calls) != 2 {
				t.Fatalf("%+v: %d calls, want Load and Update", c, len(seen.calls))
			}
			for _, call := range seen.calls {
				if call.value != "trace" || call.err != nil || call.left != c.want {
					t.Errorf("%+v: the store was called with %+v", c, call)
				}
			}
		}
	})
}

// TestEventsContext: a function that asks for the session in an event is not told of
// the one that is being loaded or saved, for which it would wait.
func TestEventsContext(t *testing.T) {
	m, err := session.New(memory.New(nil), &session.Options{Events: func(ctx context.Context, _ session.Event) {
		_, err := session.From(ctx)
		wantErr(t, "From in an event", err, session.ErrNoHandler)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", cookieName+"=x")
	m.Handler(exit(t, func(s *session.Session) error { return visits.Set(s, 1) })).ServeHTTP(httptest.NewRecorder(), r)
}

type storeCall struct {
	value any
	err   error
	left  time.Duration
}

// watched remembers the contexts that it was called with.
type watched struct {
	store.Store
	calls []storeCall
}

func (w *watched) see(ctx context.Context) {
	c := storeCall{value: ctx.Value(contextKey{}), err: ctx.Err()}
	if d, ok := ctx.Deadline(); ok {
		c.left = time.Until(d)
	}
	w.calls = append(w.calls, c)
}

func (w *watched) Load(ctx context.Context, id string) (store.Entry, error) {
	w.see(ctx)
	return w.Store.Load(ctx, id)
}

func (w *watched) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	w.see(ctx)
	return w.Store.Update(ctx, id, rec, ttl, base)
}

// A session whose record cannot be read is an error and not an empty one, and
// a session that is over is refused although it cannot be deleted.
func TestCorruptAndUndeletable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Absolute: time.Hour})
		b := st.browser()
		b.visit()
		st.plant(24 * time.Hour)
		time.Sleep(time.Hour)
		st.told()
		undo := st.store.Fail(faulty.Fault{Verb: faulty.Delete})
		b.clone().use(func(s *session.Session) error {
			if !s.New() {
				t.Error("it is alive")
			}
			return nil
		})
		why := st.events[0].Err
		if got := st.told(); undo() != 1 || !slices.Equal(got, []session.Kind{session.Expired}) || !errors.Is(why, faulty.ErrInjected) {
			t.Errorf("events: %v, %v", got, why)
		}
		for l := range st.store.List(ctx, store.Query{}) {
			if _, err := st.store.Update(ctx, l.ID, store.Record{Data: []byte("junk")}, time.Hour, l.Revision); err != nil {
				t.Fatal(err)
			}
		}
		b.do(exit(t, nil))
	})
}

// The absolute timeout of a login counts from the login, and a renewal does not move it.
func TestSEC18AbsoluteFromTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const absolute = 30 * 24 * time.Hour
		st := newSite(t, session.Options{Idle: -1, Absolute: absolute})
		b := st.browser()
		b.visit()
		time.Sleep(absolute - time.Hour)
		b.use(func(s *session.Session) error { return s.SetOwner("alice") })
		time.Sleep(absolute - time.Hour)
		b.use(func(s *session.Session) error { return errors.Join(s.SetOwner("alice"), s.Renew(0)) })
		time.Sleep(time.Hour - time.Millisecond)
		if alive, owner := b.alive(); !alive || owner != "alice" {
			t.Error("it has ended too early")
		}
		time.Sleep(2 * time.Millisecond)
		if alive, _ := b.alive(); alive {
			t.Error("it lives on")
		}
	})
}

// A record that says it is somebody's since ten years from now.
func TestSEC18OwnerSinceTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New(nil)
		ahead := newSiteOn(t, shared, session.Options{Idle: -1, Absolute: 24 * time.Hour, Now: func() time.Time { return time.Now().Add(10 * 365 * 24 * time.Hour) }})
		b := ahead.browser()
		b.use(func(s *session.Session) error { return s.SetOwner("alice") })
		b.site = newSiteOn(t, shared, session.Options{Idle: -1, Absolute: 24 * time.Hour})
		b.use(func(*session.Session) error { return nil })
		b.site.plant(100 * 365 * 24 * time.Hour)
		time.Sleep(24*time.Hour + time.Millisecond)
		if alive, _ := b.alive(); alive {
			t.Error("it lives on")
		}
	})
}
