package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// List shows the sessions of the owner, once each, the one that was used last first, and
// what is known of them; no forward, nothing that has ended, nobody else's.
func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * time.Hour, Absolute: 20 * time.Hour})
		began := time.Now().Truncate(time.Millisecond)
		phone, laptop, ended, other := st.browser(), st.browser(), st.browser(), st.browser()
		phone.visit()
		time.Sleep(time.Hour)
		phone.use(func(s *session.Session) error {
			return errors.Join(login("user:1")(s), s.SetDevice("phone"), s.SetPersistent(true))
		})
		since := time.Now().Truncate(time.Millisecond)
		time.Sleep(time.Hour)
		laptop.use(login("user:1"))
		ended.use(login("user:1"))
		other.use(login("user:10"))
		ended.use(func(s *session.Session) error { return s.Destroy() })
		laptop.use(rotate(time.Minute))
		laptop.use(rotate(time.Minute))
		time.Sleep(3 * time.Hour)
		phone.read()
		phone.use(rotate(time.Minute))
		used := time.Now().Truncate(time.Millisecond)
		l, err := st.manager.List(ctx, "user:1")
		if err != nil || len(l) != 2 {
			t.Fatalf("%d sessions (%v): %+v", len(l), err, l)
		}
		p := l[0]
		if p.Device != "phone" || !p.Persistent || p.AuthenticatedBy != "password" || !p.AuthenticatedAt.Equal(since) || !p.Since.Equal(since) ||
			!p.Began.Equal(began) || !p.Seen.Equal(used) || !p.Ends.Equal(used.Add(10*time.Hour)) || len(p.Handle) != 22 || p.Handle == l[1].Handle {
			t.Errorf("the phone is %+v", p)
		}
		if l[1].Device != "" || l[1].Persistent || l[1].Seen.After(used.Add(-3*time.Hour)) {
			t.Errorf("the laptop is %+v", l[1])
		}
		laptop.read()
		if l, err = st.manager.List(ctx, "user:1"); err != nil || len(l) != 2 || l[0].Seen.Before(l[1].Seen) || l[1].Seen.Before(used) {
			t.Errorf("%v: %+v", err, l)
		}
		if l, err := st.manager.List(ctx, "user:2"); err != nil || len(l) != 0 {
			t.Errorf("an owner of nothing has %d sessions (%v)", len(l), err)
		}
		st.plant(365 * day)
		time.Sleep(time.Until(since.Add(20 * time.Hour)))
		if l, err := st.manager.List(ctx, "user:1"); err != nil || len(l) != 1 || l[0].Device == "phone" {
			t.Errorf("after the absolute timeout of one: %+v (%v)", l, err)
		}
	})
}

// A forward is not listed where nothing but an idle timeout ends a session either.
func TestListPassesOverForwards(t *testing.T) {
	st := newSite(t, session.Options{Absolute: -1})
	b := st.browser()
	b.use(login("user:1"))
	for range 3 {
		b.use(rotate(time.Minute))
	}
	if l, err := st.manager.List(ctx, "user:1"); err != nil || len(l) != 1 || st.sessions() != 4 {
		t.Errorf("%d of %d records are listed (%v)", len(l), st.sessions(), err)
	}
}

// Seen is right to a tenth of the idle timeout, however the session is used, until the
// absolute timeout is nearer than the idle one; and never before what is known.
func TestSeen(t *testing.T) {
	const idle, absolute = 10 * time.Hour, 40 * time.Hour
	for _, use := range []func(s *session.Session) error{
		func(*session.Session) error { return nil },
		func(s *session.Session) error { _, err := visits.Update(s, plus1); return err },
	} {
		for i := range 10 { // each has its own phase
			synctest.Test(t, func(t *testing.T) {
				st := newSite(t, session.Options{Idle: idle, Absolute: absolute})
				b := st.browser()
				began := time.Now()
				b.use(login("user:1"))
				for step := time.Duration(i+1) * 7 * time.Minute; time.Since(began) < absolute-step; {
					time.Sleep(step)
					b.use(use)
					l, err := st.manager.List(ctx, "user:1")
					if err != nil || len(l) != 1 {
						t.Fatalf("%d sessions (%v)", len(l), err)
					}
					within := idle / 10
					if time.Since(began) > absolute-idle {
						within = idle // nothing extends its life any more
					}
					if ago := time.Since(l[0].Seen); ago < 0 || ago > within+time.Millisecond {
						t.Fatalf("%v after its beginning, used just now, it was seen %v ago", time.Since(began), ago)
					}
				}
			})
		}
	}
}

// An idle timeout that a new version of the program has made shorter says nothing about
// when a session was used.
func TestSeenWithAShorterIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 20 * time.Hour})
		b := st.browser()
		b.use(login("user:1"))
		now := newSiteOn(t, st.store, session.Options{Idle: time.Hour})
		time.Sleep(10 * time.Hour)
		l, err := now.manager.List(ctx, "user:1")
		if err != nil || len(l) != 1 || time.Since(l[0].Seen) < 10*time.Hour {
			t.Errorf("%+v (%v)", l, err)
		}
	})
}

// lists is a store that can list, and end an owner's sessions only one by one.
type lists struct {
	store.Store
	store.Lister
}

func TestEndAllOneByOne(t *testing.T) {
	st := newSite(t, session.Options{})
	b, stranger := st.browser(), st.browser()
	b.use(login("user:1"))
	b.use(rotate(time.Minute))
	stranger.use(login("user:10"))
	m, err := session.New(lists{st.store, st.store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.EndAll(ctx, "user:1"); err != nil || st.state(b.value()).live || !st.state(stranger.value()).live {
		t.Errorf("EndAll: %v; the session is live: %v", err, st.state(b.value()).live)
	}
}

// A store that cannot list says so.
func TestListUnsupported(t *testing.T) {
	st := newSite(t, session.Options{})
	m, err := session.New(struct{ store.Store }{st.store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.List(ctx, "user:1")
	wantErr(t, "List", err, errors.ErrUnsupported)
	wantErr(t, "End", m.End(ctx, "user:1", "x"), errors.ErrUnsupported)
	wantErr(t, "EndAll", m.EndAll(ctx, "user:1"), errors.ErrUnsupported)
	_, err = session.New(struct{ store.Store }{st.store}, &session.Options{MaxPerOwner: session.MaxPerOwner{N: 1}})
	wantErr(t, "New with MaxPerOwner", err, errors.ErrUnsupported)
}
