package session_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// A login succeeds whatever becomes of the visitor's session meanwhile, and the old id is
// worth nothing in any case.
func TestLoginWhileTheVisitorsSessionChanges(t *testing.T) {
	for what, c := range map[string]struct {
		meanwhile func(s *session.Session) error
		visits    int // of the visitor's one, after the login's own
	}{
		"is ended":                {func(s *session.Session) error { return s.Destroy() }, 1},
		"is renewed":              {rotate(0), 1},
		"is renewed with a grace": {rotate(5e9), 2},
		"is written to":           {func(s *session.Session) error { return name.Set(s, "meanwhile") }, 2},
		"becomes another's":       {func(s *session.Session) error { return s.SetOwner("user:7") }, 1},
		"becomes theirs":          {login("user:1"), 1},
	} {
		for _, limit := range []int{0, 5} {
			for _, verb := range []string{"", faulty.Update, faulty.Create, faulty.Touch} { // before which it happens
				if limit > 0 && verb != "" && what == "becomes theirs" {
					continue // it would wait for this login, which waits for it
				}
				t.Run(what+" before "+verb, func(t *testing.T) {
					st := newSite(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: limit}})
					b := st.browser()
					b.visit()
					old, other := b.clone(), b.clone()
					meanwhile := func() { other.as("", c.meanwhile) }
					undo := func() int { return 1 }
					if verb != "" {
						skip := 0
						if limit > 0 && verb == faulty.Create {
							skip = 1 // the lock
						}
						undo = st.store.Fail(faulty.Fault{Kind: faulty.Delay, Delay: 1, Verb: verb, Skip: skip, Times: 1, Between: meanwhile})
					}
					w := b.use(func(s *session.Session) error {
						if verb == "" {
							meanwhile()
						}
						_, err := visits.Update(s, plus1)
						return errors.Join(err, login("user:1")(s))
					})
					if undo() != 1 {
						t.Fatal("nothing happened meanwhile")
					}
					if found := st.state(b.value()); w.Code != http.StatusOK || found.owner != "user:1" || found.by != "password" {
						t.Errorf("answered %d, it is %+v", w.Code, found)
					}
					if found := st.state(old.value()); found.live {
						t.Errorf("the visitor's id finds %+v", found)
					}
					b.use(func(s *session.Session) error {
						if n := visits.Get(s); n != c.visits && verb != faulty.Create && verb != faulty.Touch {
							t.Errorf("%d visits, want %d", n, c.visits)
						}
						return nil
					})
				})
			}
		}
	}
}

// Of a login that is sent many times at once each succeeds, in two processes, and each
// id that was given out works.
func TestLoginClickedOften(t *testing.T) {
	shared := memory.New(nil)
	sites := []*site{newSiteOn(t, shared, session.Options{}), newSiteOn(t, shared, session.Options{})}
	for range 50 {
		b := sites[0].browser()
		b.visit()
		clicks := make([]*browser, 4)
		var loaded, done sync.WaitGroup
		loaded.Add(len(clicks))
		for i := range clicks {
			clicks[i] = &browser{sites[i%2], b.cookie}
			done.Go(func() {
				clicks[i].use(func(s *session.Session) error {
					loaded.Done()
					loaded.Wait()
					return login("user:1")(s)
				})
			})
		}
		done.Wait()
		for i, c := range clicks {
			if found := sites[0].state(c.value()); found.owner != "user:1" || found.by != "password" {
				t.Fatalf("click %d: %+v", i, found)
			}
		}
		if found := sites[0].state(b.value()); found.live {
			t.Fatalf("the visitor's id finds %+v", found)
		}
	}
}

// Once a login is saved, an end of its session is one: what the request changes after
// that goes into no new session.
func TestLoginThatWasSavedCanBeEnded(t *testing.T) {
	for _, visitor := range []bool{true, false} {
		st := newSite(t, session.Options{})
		b := st.browser()
		if visitor {
			b.visit()
		}
		b.use(func(s *session.Session) error {
			if err := errors.Join(login("user:1")(s), s.Save(), b.manager.EndAll(ctx, "user:1"), s.Renew(0), visits.Set(s, 9)); err != nil {
				return err
			}
			wantErr(t, "Save", s.Save(), session.ErrGone)
			return nil
		})
		if n := st.sessions(); n > 1 || n == 1 && !visitor { // of the visitor's the forward is left
			t.Errorf("visitor %v: %d records are left", visitor, n)
		}
		if got := st.told(); !slices.Contains(got, session.Gone) {
			t.Errorf("events: %v", got)
		}
	}
}
