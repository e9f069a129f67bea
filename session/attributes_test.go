package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

const day = 24 * time.Hour

// sent is the cookie that a response sets, nil for none.
func sent(r http.Header) *http.Cookie {
	for _, c := range (&http.Response{Header: r}).Cookies() {
		return c
	}
	return nil
}

// Max-Age is what is left of the session's life; it is sent again when that was extended
// or the session changed how it is kept, and never to who came with an old id.
func TestPersistentCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{Idle: 10 * day, Absolute: 15 * day})
		b := st.browser()
		want := func(what string, f func(s *session.Session) error, maxAge time.Duration) {
			t.Helper()
			c := sent(b.use(f).Header())
			switch {
			case maxAge < 0 && c != nil:
				t.Errorf("%s: the cookie was sent, with Max-Age %d", what, c.MaxAge)
			case maxAge >= 0 && (c == nil || c.MaxAge != int(maxAge/time.Second)):
				t.Errorf("%s: %+v, want Max-Age %v", what, c, maxAge)
			}
		}
		read := func(*session.Session) error { return nil }
		write := func(s *session.Session) error { _, err := visits.Update(s, plus1); return err }
		want("of the browser's session", write, 0)
		want("from now on", func(s *session.Session) error { return s.SetPersistent(true) }, 10*day)
		want("unchanged", read, -1)
		want("written to", write, -1)
		time.Sleep(2 * day)
		want("touched", read, 10*day)
		time.Sleep(2 * day)
		want("touched by a write", write, 10*day)
		time.Sleep(2 * day)
		old := b.clone()
		want("renewed", rotate(time.Minute), 9*day)
		if c := sent(old.use(write).Header()); c != nil {
			t.Errorf("who came with the old id was sent %+v", c)
		}
		if c := sent(old.use(func(s *session.Session) error { return s.SetPersistent(false) }).Header()); c != nil {
			t.Errorf("who came with the old id was sent %+v", c)
		}
		want("again, by the new id", func(s *session.Session) error { return s.SetPersistent(true) }, 9*day)
		want("not any more", func(s *session.Session) error { return s.SetPersistent(false) }, 0)
		time.Sleep(8 * day)
		want("of the browser's session, near its end", read, -1)
		want("logged out", func(s *session.Session) error {
			return errors.Join(s.SetPersistent(true), s.Destroy(), visits.Set(s, 1))
		}, 0)
	})
}

// SetLifetime is capped by MaxLife, also where a larger one is stored, survives a
// renewal, and the absolute one counts from the beginning.
func TestSEC18SetLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newSite(t, session.Options{Idle: day, Absolute: 7 * day, MaxLife: 300 * day})
		st := newSiteOn(t, shared.store, session.Options{Idle: day, Absolute: 7 * day, MaxLife: 30 * day})
		wide, b := shared.browser(), st.browser()
		ends := func(b *browser) (d time.Duration) {
			t.Helper()
			b.use(func(s *session.Session) error { d = time.Until(s.Ends()); return nil })
			return d.Round(time.Second)
		}
		b.use(func(s *session.Session) error { return s.SetLifetime(1000*day, 1000*day) })
		if got := ends(b); got != 30*day {
			t.Errorf("it ends in %v, want MaxLife", got)
		}
		b.use(rotate(0))
		if got := ends(b); got != 30*day {
			t.Errorf("renewed it ends in %v, want MaxLife", got)
		}
		wide.use(func(s *session.Session) error { return s.SetLifetime(300*day, 300*day) })
		narrow := &browser{st, wide.cookie} // as if somebody had planted it
		if got := ends(wide); got != 300*day {
			t.Fatalf("where it may be so long it ends in %v", got)
		}
		narrow.read()
		if got := ends(narrow); got != 30*day {
			t.Errorf("where it may not it ends in %v", got)
		}
		time.Sleep(30*day - time.Millisecond)
		if b.visit() != 1 || !st.state(b.value()).live || !st.state(narrow.value()).live {
			t.Error("it has ended before its time")
		}
		time.Sleep(time.Millisecond)
		if st.state(b.value()).live || st.state(narrow.value()).live {
			t.Error("it has not ended with MaxLife")
		}
		idle := newSite(t, session.Options{Idle: day, Absolute: -1, MaxLife: 30 * day}).browser()
		idle.use(func(s *session.Session) error { return s.SetLifetime(1000*day, 0) })
		if got := ends(idle); got != 30*day {
			t.Errorf("without an absolute timeout it ends in %v, want MaxLife", got)
		}
		short := st.browser()
		short.use(func(s *session.Session) error {
			for _, bad := range []time.Duration{-1, 1, time.Millisecond - 1} {
				wantErr(t, "idle", s.SetLifetime(bad, 0), store.ErrInvalid)
				wantErr(t, "absolute", s.SetLifetime(0, bad), store.ErrInvalid)
			}
			return errors.Join(s.SetLifetime(time.Minute, 0), visits.Set(s, 1))
		})
		if got := ends(short); got != time.Minute {
			t.Errorf("a shorter one ends in %v", got)
		}
		time.Sleep(time.Minute)
		if st.state(short.value()).live {
			t.Error("the shorter one has not ended")
		}
	})
}

// Idle by the store's clock and absolute by the manager's, at t-1, t and t+1, whatever
// life the store was given for it.
func TestSEC18Timeouts(t *testing.T) {
	for what, c := range map[string]struct {
		opts  session.Options
		end   time.Duration
		plant bool
	}{
		"idle":                   {session.Options{Idle: time.Hour}, time.Hour, false},
		"absolute":               {session.Options{Idle: -1, Absolute: time.Hour}, time.Hour, false},
		"absolute of a planted":  {session.Options{Idle: -1, Absolute: time.Hour}, time.Hour, true},
		"absolute before idle":   {session.Options{Idle: time.Hour, Absolute: time.Minute}, time.Minute, true},
		"planted, read in a day": {session.Options{Absolute: day, Idle: time.Hour}, day, true},
	} {
		for _, d := range []time.Duration{-1, 0, 1} {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Now().Truncate(time.Millisecond).Add(time.Millisecond))) // began is in milliseconds
				st := newSite(t, c.opts)
				b := st.browser()
				b.visit()
				if c.plant {
					st.plant(10 * 365 * day)
				}
				time.Sleep(c.end + d)
				if live := st.state(b.value()).live; live != (d < 0) {
					t.Errorf("%s: %v from the end it is live: %v", what, d, live)
				}
			})
		}
	}
}

// Notes of devices are bounded, and cannot break a line.
func TestDeviceNotes(t *testing.T) {
	st := newSite(t, session.Options{})
	for note, want := range map[string]string{
		"Firefox on Linux, Vienna": "Firefox on Linux, Vienna", "": "", "a\r\nb\x00c\x1b[0m\u0085": "a  b c [0m ",
		strings.Repeat("x", 1<<20): strings.Repeat("x", 256), strings.Repeat("x", 255) + "é": strings.Repeat("x", 255),
		"\xff\xfe": "\ufffd\ufffd", strings.Repeat("\xff", 256): strings.Repeat("\ufffd", 85),
	} {
		b := st.browser()
		b.use(func(s *session.Session) error {
			if s.Device() != "" {
				t.Errorf("without a note it is %q", s.Device())
			}
			return errors.Join(login("user:1")(s), s.SetDevice(note), s.MarkAuthenticated(note))
		})
		b.use(rotate(0))
		b.use(func(s *session.Session) error {
			if got := s.Device(); got != want || !utf8.ValidString(got) {
				t.Errorf("of %d bytes it is %q", len(note), got)
			}
			if got := s.AuthenticatedBy(); len(got) > 64 || !utf8.ValidString(got) || !strings.HasPrefix(want, got) {
				t.Errorf("the method is %q", got)
			}
			return nil
		})
	}
}

// The proof may be noted before the owner or after, in one request. Another owner has
// neither the proof nor the device of the one before.
func TestNotesAndOwners(t *testing.T) {
	mark := func(s *session.Session) error {
		return errors.Join(s.MarkAuthenticated("password"), s.SetDevice("phone"))
	}
	owner := func(o string) func(s *session.Session) error {
		return func(s *session.Session) error { return s.SetOwner(o) }
	}
	save := func(s *session.Session) error { return s.Save() }
	for _, c := range []struct {
		what  string
		steps []func(s *session.Session) error
		kept  bool
	}{
		{"owner, then proof", []func(s *session.Session) error{owner("user:1"), mark}, true},
		{"proof, then owner", []func(s *session.Session) error{mark, owner("user:1")}, true},
		{"saved in between", []func(s *session.Session) error{mark, save, owner("user:1")}, true},
		{"a proof before nobody", []func(s *session.Session) error{owner(""), mark, owner("user:1")}, true},
		{"a proof for the next owner", []func(s *session.Session) error{owner("user:0"), mark, nil, mark, owner("user:1")}, true},
		{"the same owner again", []func(s *session.Session) error{owner("user:1"), mark, nil, owner("user:1")}, true},
		{"a proof of another request", []func(s *session.Session) error{mark, nil, owner("user:1")}, false},
		{"another's", []func(s *session.Session) error{owner("user:0"), mark, nil, owner("user:1")}, false},
		{"another's, in one request", []func(s *session.Session) error{owner("user:0"), mark, owner("user:1")}, false},
		{"another's, noted before", []func(s *session.Session) error{mark, owner("user:0"), owner("user:1")}, false},
		{"another's, saved in between", []func(s *session.Session) error{owner("user:0"), mark, save, owner("user:1")}, false},
		{"nobody in between", []func(s *session.Session) error{owner("user:1"), mark, nil, owner(""), nil, owner("user:1")}, false},
	} {
		for _, limit := range []int{0, 10} {
			st := newSite(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: limit}})
			b := st.browser()
			b.visit()
			rest := c.steps
			for len(rest) > 0 {
				b.use(func(s *session.Session) error {
					for len(rest) > 0 {
						step := rest[0]
						rest = rest[1:]
						if step == nil {
							return nil
						}
						if err := step(s); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.use(func(s *session.Session) error {
				if s.Owner() != "user:1" || visits.Get(s) != 1 {
					t.Errorf("%s: it is %q's", c.what, s.Owner())
				}
				if (s.AuthenticatedBy() != "") != c.kept || s.AuthenticatedAt().IsZero() == c.kept || (s.Device() != "") != c.kept {
					t.Errorf("%s: proof %q at %v, device %q", c.what, s.AuthenticatedBy(), s.AuthenticatedAt(), s.Device())
				}
				return nil
			})
		}
	}
}
