package session_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

func rotate(grace time.Duration) func(s *session.Session) error {
	return func(s *session.Session) error { return s.Renew(grace) }
}

// Within its grace the old id stands for the session; when it is over, to the
// nanosecond, it stands for nothing, and that it was used is an event, for half the
// idle timeout.
func TestSEC17Grace(t *testing.T) {
	for _, endOnReuse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := newSite(t, session.Options{Idle: 4 * time.Hour, EndOnReuse: endOnReuse})
			b := st.browser()
			b.visit()
			old := b.clone()
			b.use(rotate(10 * time.Second))
			st.told()
			if n := old.clone().visit(); n != 2 {
				t.Errorf("at once: visit %d, want 2", n)
			}
			time.Sleep(10*time.Second - 1)
			if n := old.clone().visit(); n != 3 {
				t.Errorf("1 ns before its end: visit %d, want 3", n)
			}
			if got := st.told(); len(got) != 0 {
				t.Errorf("in the grace: %v", got)
			}
			if n := b.visit(); n != 4 {
				t.Errorf("what the old id changed is not in the new session: visit %d, want 4", n)
			}
			time.Sleep(time.Nanosecond)
			for _, wait := range []time.Duration{0, 1, 2*time.Hour - 2} {
				time.Sleep(wait)
				if found := st.state(old.value()); found.live {
					t.Errorf("%v after its end the old id finds %+v", wait, found)
				}
				want := []session.Kind{session.Reused}
				if endOnReuse && wait > 0 {
					want = []session.Kind{session.UnknownID} // the forward went with the session
				}
				if got := st.told(); !slices.Equal(got, want) {
					t.Errorf("%v after its end: %v, want %v", wait, got, want)
				}
				if live := st.state(b.value()).live; live == endOnReuse {
					t.Errorf("the new session is live: %v", live)
				}
				st.told()
			}
			time.Sleep(time.Second)
			if found, got := st.state(old.value()), st.told(); found.live || !slices.Equal(got, []session.Kind{session.UnknownID}) {
				t.Errorf("when the forward is gone: %+v, %v", found, got)
			}
		})
	}
}

// A touch by a request that has begun before the renewal comes to the forward. It makes
// the grace neither longer nor shorter.
func TestSEC17LateTouch(t *testing.T) {
	for _, idle := range []time.Duration{10 * time.Minute, 24 * time.Hour, 30 * 24 * time.Hour} {
		for _, late := range []time.Duration{0, 5 * time.Second, 10 * time.Second, time.Minute} { // after the renewal
			synctest.Test(t, func(t *testing.T) {
				st := newSite(t, session.Options{Idle: idle, Absolute: 365 * 24 * time.Hour, EndOnReuse: true})
				b := st.browser()
				b.visit()
				old := b.clone()
				time.Sleep(idle / 4) // so that a touch is due
				began := time.Now()
				touches := st.store.Calls(faulty.Touch)
				old.use(func(*session.Session) error {
					b.use(rotate(10 * time.Second))
					time.Sleep(late)
					return nil
				})
				if n := st.store.Calls(faulty.Touch) - touches; n != 2 {
					t.Fatalf("%d touches, want one of the renewal and a late one", n)
				}
				for _, at := range []time.Duration{late, 10*time.Second - 1, 10 * time.Second, 30 * time.Second, 2 * time.Minute} {
					time.Sleep(time.Until(began.Add(at)))
					good := time.Since(began) < 10*time.Second
					if found := st.state(old.value()); found.live != good {
						t.Errorf("idle %v, touched %v late: %v after the renewal the old id is good: %v", idle, late, time.Since(began), found.live)
					}
					if good && !st.state(b.value()).live {
						t.Error("the new session was ended within the grace")
					}
				}
			})
		}
	}
}

// Changes that an old id's requests have under way land in the session, also if the
// renewal comes between their load and their save.
func TestSEC17ChangesInTheGrace(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	old := b.clone()
	old.clone().use(func(s *session.Session) error {
		b.use(rotate(time.Minute))
		_, err := visits.Update(s, plus1)
		return err
	})
	late := old.clone()
	late.use(func(s *session.Session) error { return name.Set(s, "late") })
	if late.cookie != old.cookie {
		t.Error("the request with the old id was given a cookie")
	}
	b.use(func(s *session.Session) error {
		if visits.Get(s) != 2 || name.Get(s) != "late" {
			t.Errorf("visits %d, name %q", visits.Get(s), name.Get(s))
		}
		v, err := name.Pop(s)
		if v != "late" {
			t.Errorf("popped %q", v)
		}
		return err
	})
	old.clone().use(func(s *session.Session) error { return s.Destroy() })
	if found := st.state(b.value()); found.live {
		t.Errorf("the logout in the grace left %+v", found)
	}
}

// In the moment between the two writes of a renewal the old id has its session too.
func TestSEC17BetweenTheWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		old := b.clone()
		found := make(chan state, 1)
		undo := st.store.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.Create, Delay: 5 * time.Millisecond, Times: 1, Between: func() {
			go func() { found <- st.state(old.value()) }()
		}})
		b.use(rotate(time.Minute))
		if undo() != 1 {
			t.Fatal("the renewal was not delayed")
		}
		if found := <-found; !found.live {
			t.Error("the old id has no session while it is being renewed")
		}
	})
}

// A chain of renewals: each id is good for its own grace. One that is too far back to be
// followed is worth nothing, but nobody has misused it.
func TestSEC17Chains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{EndOnReuse: true})
		b := st.browser()
		b.visit()
		var old []*browser
		for range 12 {
			old = append(old, b.clone())
			b.use(rotate(time.Minute))
			time.Sleep(time.Second)
		}
		for i, o := range old {
			if found := st.state(o.value()); found.live != (i >= 4) {
				t.Errorf("%d renewals later: live %v", len(old)-i, found.live)
			}
		}
		if got := st.told(); slices.Contains(got, session.Reused) || !st.state(b.value()).live {
			t.Errorf("within all graces: %v", got)
		}
		time.Sleep(52 * time.Second) // four more have passed theirs
		if found := st.state(old[7].value()); !found.live {
			t.Error("the ninth id has lost its session in its grace")
		}
		// One whose grace is over, in the middle of a chain, ends it.
		st2 := newSite(t, session.Options{})
		b = st2.browser()
		b.visit()
		first := b.clone()
		b.use(rotate(time.Hour))
		second := b.clone()
		b.use(func(s *session.Session) error { return s.Renew(0) })
		for what, o := range map[string]*browser{"first": first, "second": second} {
			if found := st2.state(o.value()); found.live {
				t.Errorf("the %s id is good after a renewal without a grace", what)
			}
		}
	})
}

// A logout races with the deletion of what marks it: who comes in between has no
// session, and has not reused an id.
func TestEndedIsNotReused(t *testing.T) {
	st := newSite(t, session.Options{EndOnReuse: true})
	b := st.browser()
	b.visit()
	old := b.clone()
	undo := st.store.Fail(faulty.Fault{Verb: faulty.Delete})
	b.use(func(s *session.Session) error { return s.Destroy() })
	st.told()
	if found := st.state(old.value()); found.live {
		t.Errorf("it finds %+v", found)
	}
	if undo() == 0 {
		t.Fatal("the mark was deleted")
	}
	if got := st.told(); !slices.Equal(got, []session.Kind{session.UnknownID}) {
		t.Errorf("events: %v", got)
	}
}

// A logout whose mark the store refuses, and which a renewal overtakes, still ends what
// the session has become.
func TestDestroyUnmarkedFollowsARenewal(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(login("user:1"))
	renewed := b.clone()
	b.use(func(s *session.Session) error {
		renewed.use(rotate(0))
		undo := st.store.Fail(faulty.Fault{Verb: faulty.Update, Times: 1, Err: store.ErrFull})
		err := s.Destroy()
		if undo() != 1 {
			err = errors.Join(err, errors.New("the fault did not strike"))
		}
		return err
	})
	if found := st.state(renewed.value()); found.live {
		t.Errorf("after the logout the renewed session is %+v", found)
	}
}
