package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
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

// Over MaxBytes or MaxKeys a change is a typed error, and changes nothing: not this
// session, which goes on, and no other.
func TestSEC22TooLarge(t *testing.T) {
	big := session.NewKey[string]("big")
	for what, c := range map[string]struct {
		opts session.Options
		fill func(s *session.Session) error // as much as may be
		over func(s *session.Session) error
	}{
		"bytes": {
			session.Options{MaxBytes: 100},
			func(s *session.Session) error { return big.Set(s, strings.Repeat("x", 100-len("big")-len(`""`))) },
			func(s *session.Session) error { return big.Set(s, strings.Repeat("x", 101-len("big")-len(`""`))) },
		},
		"keys": {
			session.Options{MaxKeys: 3},
			func(s *session.Session) error {
				return errors.Join(big.Set(s, ""), session.NewKey[int]("2").Set(s, 2), session.NewKey[int]("3").Set(s, 3))
			},
			func(s *session.Session) error { return session.NewKey[int]("4").Set(s, 4) },
		},
	} {
		t.Run(what, func(t *testing.T) {
			st := newSite(t, c.opts)
			other, b := st.browser(), st.browser()
			other.visit()
			b.use(func(s *session.Session) error {
				wantErr(t, "before it is full", c.fill(s), nil)
				wantErr(t, "over it", c.over(s), store.ErrTooLarge)
				return nil
			})
			b.use(func(s *session.Session) error {
				wantErr(t, "in the next request", c.over(s), store.ErrTooLarge)
				return errors.Join(big.Set(s, "small"), session.NewKey[int]("2").Delete(s), s.Save())
			})
			b.use(func(s *session.Session) error {
				if big.Get(s) != "small" {
					t.Errorf("it holds %d bytes", len(big.Get(s)))
				}
				return nil
			})
			if n := other.visit(); n != 2 {
				t.Errorf("another session: visit %d, want 2", n)
			}
		})
		t.Run(what+" at a merge", func(t *testing.T) {
			st := newSite(t, c.opts)
			other, b := st.browser(), st.browser()
			other.visit()
			b.use(func(s *session.Session) error { return session.NewKey[int]("first").Set(s, 1) })
			b.use(func(s *session.Session) error {
				b.clone().use(func(s *session.Session) error { return errors.Join(session.NewKey[int]("first").Delete(s), c.fill(s)) })
				if err := session.NewKey[int]("another").Set(s, 1); err != nil {
					return err
				}
				wantErr(t, "the merge", s.Save(), store.ErrTooLarge)
				return errors.Join(session.NewKey[int]("another").Delete(s), s.Save())
			})
			b.use(func(s *session.Session) error {
				if _, there, err := big.Lookup(s); !there || err != nil {
					t.Errorf("what the other request wrote is gone (%v)", err)
				}
				return nil
			})
			if n := other.visit(); n != 2 {
				t.Errorf("another session: visit %d, want 2", n)
			}
		})
	}
}

// MaxPerOwner is right when 30 log in at once in three processes: with EndOldest all do,
// and the newest are left; without, as many as there is room for.
func TestSEC22MaxPerOwner(t *testing.T) {
	for _, oldest := range []bool{false, true} {
		t.Run(fmt.Sprintf("EndOldest %v", oldest), func(t *testing.T) {
			const room, logins = 3, 30
			shared := memory.New(nil)
			var sites [3]*site
			for i := range sites {
				sites[i] = newSiteOn(t, shared, session.Options{MaxPerOwner: session.MaxPerOwner{N: room, EndOldest: oldest}, Timeout: time.Minute})
			}
			stranger := sites[0].browser()
			stranger.use(login("user:2"))
			var wg sync.WaitGroup
			var in, refused atomic.Int32
			browsers := make([]*browser, logins)
			for i := range browsers {
				b := sites[i%3].browser()
				browsers[i] = b
				b.visit()
				wg.Go(func() {
					b.use(func(s *session.Session) error {
						err := s.SetOwner("user:1")
						switch {
						case err == nil:
							in.Add(1)
						case errors.Is(err, session.ErrLimit):
							refused.Add(1)
							if s.Owner() != "" || visits.Get(s) != 1 {
								t.Error("the refused login has changed the session")
							}
							return nil
						}
						return err
					})
				})
			}
			wg.Wait()
			if got := in.Load(); oldest && got != logins || !oldest && (got != room || refused.Load() != logins-room) {
				t.Errorf("%d logged in, %d were refused", got, refused.Load())
			}
			l, err := sites[0].manager.List(ctx, "user:1")
			if err != nil || len(l) != room {
				t.Errorf("the owner has %d sessions (%v)", len(l), err)
			}
			live := 0
			for _, b := range browsers {
				switch found := b.state(b.value()); {
				case found.owner == "user:1":
					live++
				case found.live == oldest: // who was refused is a visitor still
					t.Errorf("another is %+v", found)
				}
			}
			if live != room {
				t.Errorf("%d browsers are logged in", live)
			}
			if !stranger.state(stranger.value()).live {
				t.Error("another owner's session has ended")
			}
		})
	}
}

// The sessions that were logged in first are ended first, also when they were renewed
// meanwhile; a further login of who is in needs no room.
func TestMaxPerOwnerEndsTheOldest(t *testing.T) {
	h := newHands()
	st := h.site(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: 2, EndOldest: true}})
	var all [4]*browser
	for i := range all {
		all[i] = st.browser()
		all[i].use(func(s *session.Session) error { return s.SetOwner("user:1") })
		h.advance(time.Minute)
		all[0].use(rotate(0))
		all[i].use(login("user:1"))
	}
	for i, b := range all {
		if live := st.state(b.value()).owner == "user:1"; live != (i >= 2) {
			t.Errorf("session %d is live: %v", i, live)
		}
	}
}

// A login that is refused leaves the session as it was.
func TestErrLimitChangesNothing(t *testing.T) {
	st := newSite(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: 1}})
	first, b := st.browser(), st.browser()
	first.use(func(s *session.Session) error { return s.SetOwner("user:1") })
	b.use(func(s *session.Session) error {
		return errors.Join(s.SetOwner("user:0"), s.MarkAuthenticated("webauthn"))
	})
	before := b.clone()
	b.use(func(s *session.Session) error {
		handle := s.Handle()
		wantErr(t, "SetOwner", s.SetOwner("user:1"), session.ErrLimit)
		if s.Owner() != "user:0" || s.AuthenticatedBy() != "webauthn" || s.Handle() != handle {
			t.Errorf("it is %s's, by %s", s.Owner(), s.AuthenticatedBy())
		}
		return name.Set(s, "goes on")
	})
	if b.cookie != before.cookie {
		t.Error("the refused login has given it another id")
	}
	if found := st.state(b.value()); found.owner != "user:0" || found.by != "webauthn" {
		t.Errorf("it is %+v", found)
	}
	first.use(func(s *session.Session) error { return s.Destroy() })
	b.use(func(s *session.Session) error { return s.SetOwner("user:1") })
	if found := st.state(b.value()); found.owner != "user:1" || found.by != "" {
		t.Errorf("once there is room it is %+v", found)
	}
}

// Who dies with the lock delays the owner's next login, and does not lock them out; the
// others do not wait.
func TestSEC22DeadHolderOfTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New(nil)
		opts := session.Options{MaxPerOwner: session.MaxPerOwner{N: 2}}
		dead, st := newSiteOn(t, shared, opts), newSiteOn(t, shared, opts)
		undo := dead.store.Fail(faulty.Fault{Kind: faulty.Cut, Skip: 1}) // once it has the lock
		dead.browser().do(func(_ http.ResponseWriter, r *http.Request) {
			if err := load(t, r).SetOwner("user:1"); err == nil {
				t.Error("a login went well without a store")
			}
		})
		if undo() == 0 {
			t.Fatal("the fault did not strike")
		}
		began := time.Now()
		st.browser().use(func(s *session.Session) error { return s.SetOwner("user:2") })
		if d := time.Since(began); d > 0 {
			t.Errorf("another owner's login took %v", d)
		}
		b := st.browser()
		for try := 1; ; try++ {
			var err error
			b.use(func(s *session.Session) error { err = s.SetOwner("user:1"); return nil })
			if err == nil {
				break
			}
			wantErr(t, "while it is locked", err, context.DeadlineExceeded)
			if try == 5 {
				t.Fatal("the owner is locked out")
			}
		}
		if d := time.Since(began); d > 6*time.Second || d < time.Second {
			t.Errorf("the owner logged in after %v", d)
		}
	})
}

// There is no cookie for the lock, by which somebody could have it removed.
func TestSEC22LockHasNoCookie(t *testing.T) {
	const owner = "user:0123456789abcdefghijk" // with "owner:" before it as long as an id
	st := newSite(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: 2}, EndOnReuse: true})
	undo := st.store.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.List, Delay: 1, Times: 1, Between: func() {
		before := st.sessions()
		for _, prefix := range []string{"owner:", "lock:!"} {
			st.state(base64.RawURLEncoding.EncodeToString([]byte(prefix + owner)))
		}
		for range 2 {
			for l := range st.store.List(ctx, store.Query{}) {
				st.state(l.ID)
			}
		}
		if now := st.sessions(); now != before || before == 0 {
			t.Errorf("%d records, then %d: the lock was removed", before, now)
		}
	}})
	st.browser().use(func(s *session.Session) error { return s.SetOwner(owner) })
	if undo() == 0 {
		t.Error("nobody was under the lock")
	}
}

// A million requests of nobody leave no record, and the heap flat.
func TestSEC22Anonymous(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	// Not the harness's, which remembers each event.
	inner := memory.New(nil)
	m, err := session.New(inner, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s := load(t, r); visits.Get(s) != 0 || !s.New() {
			t.Error("somebody has a session")
		}
	}))
	r, err := http.NewRequest("GET", "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := headers{}
	ask := func(n int) {
		for i := range n {
			clear(w)
			delete(r.Header, "Cookie")
			if i%2 == 0 { // an id that nobody was given
				r.Header["Cookie"] = []string{fmt.Sprintf("%s=%043d", cookieName, i*4%1_000_000_000)}
			}
			h.ServeHTTP(w, r)
			if len(w["Set-Cookie"]) > 0 {
				t.Fatalf("request %d was given a cookie", i)
			}
		}
	}
	ask(1000)
	before := heap()
	ask(n)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if n, err := inner.Count(ctx); n != 0 || err != nil {
		t.Errorf("%d records (%v)", n, err)
	}
}

// headers is a response of which only the headers are kept.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(b []byte) (int, error) { return len(b), nil }
func (h headers) WriteHeader(int)             {}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
