package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// foreign has somebody write the only session anew, as it is.
func (st *site) foreign() error {
	for l, err := range st.store.List(ctx, store.Query{Data: true}) {
		if err == nil {
			_, err = st.store.Update(ctx, l.ID, l.Record, time.Hour, l.Revision)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// What one save has written the next does not write again, though it has to merge.
func TestWhatIsSavedIsNotSavedAgain(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	for want := 1; want <= 3; want++ { // a new session, and one that is there
		b.use(func(s *session.Session) error {
			_, err := visits.Update(s, plus1)
			return errors.Join(err, s.Save(), st.foreign(), name.Set(s, fmt.Sprint(want)))
		})
		b.use(func(s *session.Session) error {
			if n, w := visits.Get(s), name.Get(s); n != want || w != fmt.Sprint(want) {
				t.Errorf("%d and %q, want %d", n, w, want)
			}
			return nil
		})
	}
	// Nor does Pop make the other changes twice.
	b.use(func(s *session.Session) error {
		_, err := visits.Update(s, plus1)
		_, popped := name.Pop(s)
		return errors.Join(err, popped, st.foreign())
	})
	if n := b.visit(); n != 5 {
		t.Errorf("visit %d, want 5", n)
	}
}

// The session ends after the conflict and before it is read again.
func TestGoneDuringTheMerge(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.use(func(s *session.Session) error {
		_, err := visits.Update(s, plus1)
		st.store.Fail(faulty.Fault{Verb: faulty.Update, Err: store.ErrConflict, Times: 1, Between: func() { _ = store.Clear(ctx, st.store) }})
		wantErr(t, "Save", s.Save(), session.ErrGone)
		if n := visits.Get(s); n != 1 {
			t.Errorf("the change that was dropped is still seen: %d", n)
		}
		return err
	})
	if n := st.sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A session that has ended is not touched when the response begins.
func TestGoneIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: time.Hour})
		b := st.browser()
		b.visit()
		time.Sleep(30 * time.Minute)
		b.use(func(s *session.Session) error {
			_, err := visits.Update(s, plus1)
			cleared := store.Clear(ctx, st.store)
			wantErr(t, "Save", s.Save(), session.ErrGone)
			return errors.Join(err, cleared)
		})
		if n := st.store.Calls(faulty.Touch); n != 0 {
			t.Errorf("%d touches", n)
		}
	})
}

// Who waits for others of its process waits no longer than it may, and says why.
func TestQueueKeepsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		save := func(limit time.Duration, loaded, slow chan struct{}) (took time.Duration, err error) {
			brief, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			r := httptest.NewRequestWithContext(brief, "GET", "/", nil)
			r.Header.Set("Cookie", b.cookie)
			st.manager.Handler(exit(t, func(s *session.Session) error {
				_, _ = visits.Update(s, plus1)
				close(loaded)
				<-slow
				start := time.Now()
				err = s.Save()
				took = time.Since(start)
				return nil
			})).ServeHTTP(httptest.NewRecorder(), r)
			return took, err
		}
		slow, first, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = save(time.Hour, first, slow) })
		later := make(chan struct{})
		wg.Go(func() {
			took, err := save(500*time.Millisecond, second, later)
			if took != 300*time.Millisecond {
				t.Errorf("it waited for %v, want 300 ms", took)
			}
			wantErr(t, "Save", err, context.DeadlineExceeded)
			wantErr(t, "Save", err, store.ErrConflict)
		})
		<-first
		<-second
		defer st.store.Fail(faulty.Fault{Verb: faulty.Update, Err: store.ErrConflict})()
		defer st.store.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.Load})()
		close(slow) // the first has its turn, and is stuck in Load
		time.Sleep(200 * time.Millisecond)
		close(later)
		wg.Wait()
	})
}

// REL-10 in small: eight managers, as in eight processes, and two sessions. What was
// acknowledged is what counts.
func TestManyManagers(t *testing.T) {
	shared := memory.New(nil)
	var sites []*site
	for range 8 {
		sites = append(sites, newSiteOn(t, shared, session.Options{}))
	}
	first := sites[0].browser()
	first.visit()
	other := sites[0].browser()
	other.visit()
	var acknowledged [2]atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 * 50 {
		wg.Go(func() {
			which := i / 8 % 2
			b := &browser{sites[i%8], []*browser{first, other}[which].cookie}
			w := b.do(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.From(r.Context())
				if err == nil {
					_, err = visits.Update(s, plus1)
				}
				if err != nil {
					b.manager.Error(w, r, err)
				}
			})
			if w.Code == 200 {
				acknowledged[which].Add(1)
			}
		})
	}
	wg.Wait()
	for i, b := range []*browser{first, other} {
		if n, want := b.visit(), int(acknowledged[i].Load())+2; n != want || want < 100 {
			t.Errorf("visit %d, want %d: 1 and what was acknowledged", n, want)
		}
	}
}

// Everything at once on the session of one request, and on one session: nothing
// races, nothing hangs, and what was destroyed stays so.
func TestEverythingAtOnce(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 50
	}
	before := runtime.NumGoroutine()
	st := newSite(t, session.Options{})
	for range rounds {
		b := st.browser()
		b.visit()
		var outer sync.WaitGroup
		for tab := range 4 {
			outer.Go(func() {
				b.clone().do(func(w http.ResponseWriter, r *http.Request) {
					var wg sync.WaitGroup
					for i := range 8 {
						wg.Go(func() {
							s, err := session.From(r.Context())
							if err != nil {
								wantErr(t, "From", err, session.ErrCommitted)
								return
							}
							switch i {
							case 0:
								_, err = visits.Update(s, plus1)
							case 1:
								err = name.Set(s, "alice")
							case 2:
								_, err = name.Pop(s)
							case 3:
								err = s.Save()
							case 4:
								if tab == 0 {
									err = s.Destroy()
								}
							case 5:
								fmt.Fprint(w, "hello")
							case 6:
								s.Ends()
								s.New()
								s.Began()
								visits.Get(s)
							default:
								err = name.Delete(s)
							}
							if err != nil && !errors.Is(err, session.ErrCommitted) && !errors.Is(err, session.ErrGone) {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				})
			})
		}
		outer.Wait()
		// Its id is gone; only a new one may have come to be.
		b.clone().use(func(s *session.Session) error {
			if !s.New() && visits.Get(s) == 0 {
				t.Error("a session without what it had")
			}
			return nil
		})
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// What Update returned may be out of date; after Save, Get is right.
func TestGetAfterSave(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.use(func(s *session.Session) error {
		n, err := visits.Update(s, plus1)
		b.clone().visit()
		saved := s.Save()
		if now := visits.Get(s); n != 2 || now != 3 {
			t.Errorf("Update returned %d, Get after Save %d; want 2, 3", n, now)
		}
		return errors.Join(err, saved)
	})
}
