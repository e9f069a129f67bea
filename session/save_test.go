package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

func TestManyAtOnceAllCount(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	const n = 200
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range n {
		wg.Go(func() {
			tab := b.clone()
			<-begin
			w := tab.do(func(w http.ResponseWriter, r *http.Request) {
				if _, err := visits.Update(load(t, r), plus1); err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, "ok")
			})
			if w.Code != 200 || tab.cookie != b.cookie {
				t.Errorf("status %d, the cookie changed: %v", w.Code, tab.cookie != b.cookie)
			}
		})
	}
	close(begin)
	wg.Wait()
	if got := b.visit(); got != n+2 {
		t.Errorf("visit %d, want %d", got, n+2)
	}
}

// meanwhile has another tab of the same browser do something while a handler has
// the session in hand.
func meanwhile(b *browser, first func(s *session.Session) error, other func(s *session.Session) error) *httptest.ResponseRecorder {
	return b.use(func(s *session.Session) error {
		if err := first(s); err != nil {
			return err
		}
		b.clone().use(other)
		return nil
	})
}

func TestChangesAreMerged(t *testing.T) {
	other := session.NewKey[string]("other")
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error {
		return errors.Join(name.Set(s, "alice"), other.Set(s, "old"), visits.Set(s, 10))
	})
	st.told()
	meanwhile(b, func(s *session.Session) error {
		_, err1 := visits.Update(s, plus1)
		_, err2 := visits.Update(s, func(n int) int { return 2 * n })
		return errors.Join(err1, err2, name.Delete(s))
	}, func(s *session.Session) error {
		_, err := visits.Update(s, plus1)
		return errors.Join(err, other.Set(s, "new"), name.Set(s, "bob"))
	})
	if got := st.told(); !slices.Equal(got, []session.Kind{session.Conflict}) {
		t.Errorf("events: %v", got)
	}
	b.use(func(s *session.Session) error {
		_, named, _ := name.Lookup(s)
		if n, o := visits.Get(s), other.Get(s); n != (10+1+1)*2 || o != "new" || named {
			t.Errorf("visits %d, other %q, named %v; want 24, new, false", n, o, named)
		}
		return nil
	})
}

func TestNoResurrection(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	st.told()
	w := meanwhile(b, func(s *session.Session) error { _, err := visits.Update(s, plus1); return err },
		func(s *session.Session) error { return s.Destroy() })
	if w.Code != 200 || w.Header().Get("Set-Cookie") != "" || st.sessions() != 0 {
		t.Errorf("status %d, Set-Cookie %q, %d sessions", w.Code, w.Header().Get("Set-Cookie"), st.sessions())
	}
	if got := st.told(); !slices.Equal(got, []session.Kind{session.Ended, session.Gone}) {
		t.Errorf("events: %v", got)
	}

	// Who asks can know.
	b.cookie = ""
	b.visit()
	b.use(func(s *session.Session) error {
		_, _ = visits.Update(s, plus1)
		b.clone().use(func(s *session.Session) error { return s.Destroy() })
		wantErr(t, "Save", s.Save(), session.ErrGone)
		wantErr(t, "Set", visits.Set(s, 1), session.ErrGone)
		_, err := visits.Pop(s)
		wantErr(t, "Pop", err, session.ErrGone)
		return nil
	})
	if st.sessions() != 0 {
		t.Error("the session is back")
	}
}

func TestLogoutAgainstWriters(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	st := newSite(t, session.Options{})
	for range rounds {
		b := st.browser()
		b.visit()
		var loaded, done sync.WaitGroup
		loaded.Add(50)
		for range 50 {
			done.Go(func() {
				b.clone().do(func(w http.ResponseWriter, r *http.Request) {
					s := load(t, r)
					loaded.Done()
					_, _ = visits.Update(s, plus1)
					fmt.Fprint(w, "ok")
				})
			})
		}
		loaded.Wait() // all are in flight
		b.clone().use(func(s *session.Session) error { return s.Destroy() })
		done.Wait()
		if n := st.sessions(); n != 0 {
			t.Fatalf("%d sessions after the logout", n)
		}
	}
}

func TestPopIsForOne(t *testing.T) {
	flash := session.NewKey[string]("flash")
	st := newSite(t, session.Options{})
	b := st.browser()
	for range 20 {
		b.use(func(s *session.Session) error { return flash.Set(s, "saved!") })
		var got atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				b.clone().use(func(s *session.Session) error {
					_, _ = visits.Update(s, plus1)
					v, err := flash.Pop(s)
					if v != "" {
						got.Add(1)
					}
					return err
				})
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Fatalf("%d of 20 requests got the value, want 1", got.Load())
		}
	}
	if n := b.visit(); n != 401 {
		t.Errorf("visit %d, want 401: what else the requests changed is saved", n)
	}
	// In one request, before anything is stored.
	b.use(func(s *session.Session) error {
		_ = flash.Set(s, "now")
		v, err := flash.Pop(s)
		again, _ := flash.Pop(s)
		if v != "now" || again != "" {
			t.Errorf("popped %q and %q", v, again)
		}
		return err
	})
}

// After ErrUnknown the change may have been made: it is not made again.
func TestUnknownOutcomeIsNotRepeated(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	before := b.cookie
	undo := st.store.Fail(faulty.Fault{Kind: faulty.After, Verb: faulty.Update, Err: store.ErrUnknown, Times: 1})
	w := b.do(func(_ http.ResponseWriter, r *http.Request) { _, _ = visits.Update(load(t, r), plus1) })
	if undo() != 1 || w.Code != 503 || b.cookie != before {
		t.Errorf("status %d, the cookie changed: %v", w.Code, b.cookie != before)
	}
	if n := b.visit(); n != 3 {
		t.Errorf("visit %d, want 3", n)
	}
}

func TestConflictsWithoutEndReachTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got error
		st := newSite(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, err error) { got = err; w.WriteHeader(503) }})
		b := st.browser()
		b.visit()
		undo := st.store.Fail(faulty.Fault{Verb: faulty.Update, Err: store.ErrConflict})
		start := time.Now()
		w := b.do(func(_ http.ResponseWriter, r *http.Request) { _, _ = visits.Update(load(t, r), plus1) })
		if n := undo(); w.Code != 503 || n < 10 || time.Since(start) > 2*time.Second {
			t.Errorf("status %d after %d tries and %v", w.Code, n, time.Since(start))
		}
		wantErr(t, "OnError", got, store.ErrConflict)
		if n := b.visit(); n != 2 {
			t.Errorf("visit %d, want 2", n)
		}
	})
}

func TestStoreDownIsNoEmptySession(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	undo := st.store.Fail(faulty.Fault{})
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			if _, err := session.From(r.Context()); !errors.Is(err, faulty.ErrInjected) {
				t.Errorf("From: %v", err)
			}
		}
		_, err := session.From(r.Context())
		st.manager.Error(w, r, err)
	})
	if w.Code != 503 || w.Header().Get("Set-Cookie") != "" || st.store.Calls(faulty.Load) != 1 {
		t.Errorf("status %d, Set-Cookie %q, %d loads", w.Code, w.Header().Get("Set-Cookie"), st.store.Calls(faulty.Load))
	}
	// Who has no cookie is not concerned.
	if w := st.browser().do(func(_ http.ResponseWriter, r *http.Request) { load(t, r) }); w.Code != 200 {
		t.Errorf("without a cookie: status %d", w.Code)
	}
	undo()
	if n := b.visit(); n != 2 {
		t.Errorf("visit %d after the store is back, want 2", n)
	}
}

func TestSlowStoreHoldsARequestNoLongerThanTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		undo := st.store.Fail(faulty.Fault{Kind: faulty.Delay, Delay: 5 * time.Second})
		start := time.Now()
		w := b.do(func(w http.ResponseWriter, r *http.Request) {
			_, err := session.From(r.Context())
			wantErr(t, "From", err, context.DeadlineExceeded)
			st.manager.Error(w, r, err)
		})
		if took := time.Since(start); took != 2*time.Second || w.Code != 503 {
			t.Errorf("status %d after %v", w.Code, took)
		}
		start = time.Now()
		w = st.browser().do(func(_ http.ResponseWriter, r *http.Request) { _ = visits.Set(load(t, r), 1) })
		if took := time.Since(start); took != 2*time.Second || w.Code != 503 {
			t.Errorf("a new session: status %d after %v", w.Code, took)
		}
		if undo() != 2 {
			t.Error("the fault did not strike twice")
		}
	})
}

// REL-19: a client that goes away does not lose a save.
func TestClientThatGoesAway(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(gone, "GET", "/", nil)
	r.Header.Set("Cookie", b.cookie)
	st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := visits.Update(load(t, r), plus1); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, r)
	if n := b.visit(); n != 3 {
		t.Errorf("visit %d, want 3", n)
	}
}

func TestRequestsDeadlineIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		st.store.Fail(faulty.Fault{Kind: faulty.Delay})
		brief, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(brief, "GET", "/", nil)
		r.Header.Set("Cookie", b.cookie)
		start := time.Now()
		st.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := session.From(r.Context())
			wantErr(t, "From", err, context.DeadlineExceeded)
		})).ServeHTTP(httptest.NewRecorder(), r)
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestSaveInBetween(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	w := b.use(func(s *session.Session) error {
		err1 := visits.Set(s, 1)
		err2 := s.Save()
		if st.sessions() != 1 || s.New() {
			t.Error("it is not stored")
		}
		return errors.Join(err1, err2, visits.Set(s, 2))
	})
	if n := len(w.Header()["Set-Cookie"]); n != 1 {
		t.Errorf("%d cookies", n)
	}
	if n := b.visit(); n != 3 {
		t.Errorf("visit %d, want 3", n)
	}
}
