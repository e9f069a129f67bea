package session_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// EndAll and EndOthers end every session that the owner had when they were called, while
// these are renewed and others begin.
func TestSEC20CompleteWhileLoginsGoOn(t *testing.T) {
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("all %v", all), func(t *testing.T) {
			rounds := 10
			if testing.Short() {
				rounds = 5
			}
			for range rounds {
				shared := memory.New(nil)
				sites := []*site{newSiteOn(t, shared, session.Options{}), newSiteOn(t, shared, session.Options{})}
				mine := sites[0].browser()
				mine.use(login("user:1"))
				stranger := sites[0].browser()
				stranger.use(login("user:10"))
				old := make([]*browser, 20)
				for i := range old {
					old[i] = sites[i%2].browser()
					old[i].use(func(s *session.Session) error { return errors.Join(login("user:1")(s), audit.Set(s, "old")) })
				}
				var started, done sync.WaitGroup
				stop := make(chan struct{})
				started.Add(len(old))
				for i, b := range old {
					done.Go(func() { // each is renewed again and again
						for n := range 200 {
							b.as("", func(s *session.Session) error {
								if s.New() {
									return nil
								}
								return s.Renew(time.Duration(i%2) * time.Minute)
							})
							if n == 0 {
								started.Done()
							}
							select {
							case <-stop:
								return
							default:
							}
						}
					})
				}
				for i := range 4 {
					done.Go(func() { // and others log in
						for range 200 {
							sites[i%2].browser().use(login("user:1"))
							select {
							case <-stop:
								return
							default:
							}
						}
					})
				}
				started.Wait()
				var err error
				if all {
					err = sites[1].manager.EndAll(ctx, "user:1")
				} else {
					mine.use(func(s *session.Session) error { return mine.manager.EndOthers(ctx, s) })
				}
				close(stop)
				done.Wait()
				if err != nil {
					t.Fatal(err)
				}
				for i, b := range old {
					if found := sites[0].state(b.value()); found.live {
						t.Errorf("session %d goes on: %+v", i, found)
					}
				}
				if live := sites[0].state(mine.value()).live; live == all {
					t.Errorf("the caller's own session is live: %v", live)
				}
				if !sites[0].state(stranger.value()).live {
					t.Error("another owner's session has ended")
				}
			}
		})
	}
}

// A handle works only with its owner, stays over a renewal, and changes with the owner.
func TestSEC20Handles(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	handle := func() (h string) {
		t.Helper()
		b.use(func(s *session.Session) error { h = s.Handle(); return nil })
		return h
	}
	b.visit()
	if h := handle(); h != "" {
		t.Errorf("nobody's session has the handle %q", h)
	}
	b.use(login("user:1"))
	h := handle()
	if len(h) != 22 || strings.Contains(b.cookie, h) {
		t.Errorf("the handle is %q", h)
	}
	b.use(rotate(0))
	b.use(rotate(time.Minute))
	b.use(login("user:1")) // the same
	if again := handle(); again != h {
		t.Errorf("after renewals the handle is %q, was %q", again, h)
	}
	for what, err := range map[string]error{
		"another owner":     st.manager.End(ctx, "user:2", h),
		"no such handle":    st.manager.End(ctx, "user:1", h[1:]),
		"no handle":         st.manager.End(ctx, "user:1", ""),
		"the id":            st.manager.End(ctx, "user:1", b.value()),
		"a name's first 5":  st.manager.End(ctx, "user:", h),
		"the name and more": st.manager.End(ctx, "user:1%", h),
	} {
		wantErr(t, what, err, store.ErrNotFound)
	}
	for _, owner := range []string{"", "a\x00b", strings.Repeat("x", 256), "\xff"} {
		wantErr(t, "End", st.manager.End(ctx, owner, h), store.ErrInvalid)
		wantErr(t, "EndAll", st.manager.EndAll(ctx, owner), store.ErrInvalid)
		_, err := st.manager.List(ctx, owner)
		wantErr(t, "List", err, store.ErrInvalid)
	}
	b.use(login("user:2"))
	if now := handle(); now == h || now == "" {
		t.Errorf("with another owner the handle is %q, was %q", now, h)
	}
	wantErr(t, "the former owner", st.manager.End(ctx, "user:1", h), store.ErrNotFound)
	if err := st.manager.End(ctx, "user:2", handle()); err != nil || st.state(b.value()).live {
		t.Errorf("End: %v", err)
	}
	wantErr(t, "End again", st.manager.End(ctx, "user:2", h), store.ErrNotFound)
}

// A session to which the owner came in another way than by SetOwner has a handle too,
// which stays when it is renewed.
func TestSEC20HandleOfAPlantedOwner(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	for l := range st.store.List(ctx, store.Query{Data: true}) {
		if _, err := st.store.Update(ctx, l.ID, store.Record{Data: l.Data, Owner: "user:1"}, time.Hour, l.Revision); err != nil {
			t.Fatal(err)
		}
	}
	before, err := st.manager.List(ctx, "user:1")
	b.use(rotate(0))
	after, err2 := st.manager.List(ctx, "user:1")
	if err := errors.Join(err, err2); err != nil || len(before) != 1 || len(after) != 1 || before[0].Handle == "" || before[0].Handle != after[0].Handle {
		t.Fatalf("%v: %+v, then %+v", err, before, after)
	}
	if err := st.manager.End(ctx, "user:1", before[0].Handle); err != nil || st.state(b.value()).live {
		t.Errorf("End: %v", err)
	}
}

// However often a session was renewed, EndOthers does not take its old ids for others.
func TestSEC20EndOthersAfterManyRenewals(t *testing.T) {
	st := newSite(t, session.Options{})
	b, other := st.browser(), st.browser()
	b.use(login("user:1"))
	other.use(login("user:1"))
	for range 20 {
		b.use(rotate(time.Minute))
		other.use(rotate(0))
	}
	loads := st.store.Calls(faulty.Load)
	b.use(func(s *session.Session) error { return b.manager.EndOthers(ctx, s) })
	if n := st.store.Calls(faulty.Load) - loads; n > 100 {
		t.Errorf("%d loads for 40 forwards", n)
	}
	if !st.state(b.value()).live || st.state(other.value()).live {
		t.Errorf("the own session is live: %v, the other: %v", st.state(b.value()).live, st.state(other.value()).live)
	}
}

// An end that comes between the two writes of a renewal ends that session, by its
// handle, and not another of the owner's that is being renewed.
func TestSEC20EndBetweenTheWrites(t *testing.T) {
	for _, mine := range []bool{true, false} {
		st := newSite(t, session.Options{})
		b, other := st.browser(), st.browser()
		handle := ""
		for _, x := range []*browser{b, other} {
			x.use(login("user:1"))
		}
		ended := other
		if mine {
			ended = b
		}
		ended.use(func(s *session.Session) error { handle = s.Handle(); return nil })
		undo := st.store.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.Create, Delay: 1, Times: 1, Between: func() {
			if err := st.manager.End(ctx, "user:1", handle); err != nil && !mine {
				t.Errorf("End: %v", err)
			}
		}})
		b.as("", rotate(0))
		if undo() != 1 {
			t.Fatal("the renewal was not delayed")
		}
		if live := st.state(b.value()).live; live == mine {
			t.Errorf("own %v: the renewed session is live: %v", mine, live)
		}
		if live := st.state(other.value()).live; live != mine {
			t.Errorf("own %v: the other session is live: %v", mine, live)
		}
	}
}

// What ends sessions ends all of them, also when who asked has gone away; but no later
// than the deadline that they set.
func TestEndsGoThrough(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(login("user:1"))
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := st.manager.EndAll(gone, "user:1"); err != nil || st.state(b.value()).live {
		t.Errorf("EndAll for a client that has gone away: %v", err)
	}
	b.use(login("user:1"))
	undo := st.store.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.DeleteOwner})
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := st.manager.EndAll(soon, "user:1"); err == nil {
		t.Error("EndAll did not end at its deadline")
	}
	if undo() != 1 {
		t.Error("the fault did not strike")
	}
}

// What is corrupt is nobody's session: it stands in nobody's way.
func TestCorruptAmongTheOwners(t *testing.T) {
	st := newSite(t, session.Options{})
	b, other, broken := st.browser(), st.browser(), st.browser()
	for _, x := range []*browser{b, other, broken} {
		x.use(login("user:1"))
	}
	broken.use(rotate(time.Minute)) // so that a forward leads to it
	key := storeKey(t, broken.value())
	e, err := st.store.Load(ctx, key)
	if err == nil {
		_, err = st.store.Update(ctx, key, store.Record{Data: []byte("garbage"), Owner: "user:1"}, time.Hour, e.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
	if l, err := st.manager.List(ctx, "user:1"); err != nil || len(l) != 2 {
		t.Errorf("List: %d, %v", len(l), err)
	}
	b.use(func(s *session.Session) error { return b.manager.EndOthers(ctx, s) })
	if !st.state(b.value()).live || st.state(other.value()).live {
		t.Error("EndOthers has not ended the other, or this one")
	}
	if err := st.manager.EndAll(ctx, "user:1"); err != nil || st.state(b.value()).live {
		t.Errorf("EndAll: %v", err)
	}
	if _, err := st.store.Load(ctx, key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the corrupt one is still there: %v", err)
	}
}

func TestEndEvents(t *testing.T) {
	st := newSite(t, session.Options{})
	b, other := st.browser(), st.browser()
	b.use(login("user:1"))
	other.use(login("user:1"))
	st.told()
	b.use(func(s *session.Session) error { return b.manager.EndOthers(ctx, s) })
	if err := st.manager.EndAll(ctx, "user:1"); err != nil {
		t.Fatal(err)
	}
	if got := st.told(); !slices.Equal(got, []session.Kind{session.Ended, session.EndedAll}) {
		t.Errorf("events: %v", got)
	}
	nobody := st.browser()
	nobody.use(func(s *session.Session) error {
		wantErr(t, "EndOthers of nobody", st.manager.EndOthers(ctx, s), store.ErrInvalid)
		return nil
	})
}

// storeKey is what the store calls a cookie's session by.
func storeKey(t *testing.T, value string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
