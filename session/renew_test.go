package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

var (
	admin = session.NewKey[bool]("admin")
	audit = session.NewKey[string]("audit")
)

// hands is a clock that is moved by hand, for a manager and a memory store.
type hands struct{ at time.Time }

func newHands() *hands { return &hands{time.UnixMilli(1_700_000_000_000)} }

func (h *hands) now() time.Time          { return h.at }
func (h *hands) advance(d time.Duration) { h.at = h.at.Add(d) }
func (h *hands) site(t *testing.T, o session.Options) *site {
	t.Helper()
	o.Now = h.now
	return newSiteOn(t, memory.New(&memory.Options{Now: h.now}), o)
}

// state is what a request with some cookie finds.
type state struct {
	live  bool
	owner string
	by    string // AuthenticatedBy
	admin bool
	audit string
}

func (st *site) state(value string) (found state) {
	st.t.Helper()
	b := st.browser()
	b.cookie = cookieName + "=" + value
	b.use(func(s *session.Session) error {
		found = state{!s.New(), s.Owner(), s.AuthenticatedBy(), admin.Get(s), audit.Get(s)}
		return nil
	})
	return found
}

func login(owner string) func(s *session.Session) error {
	return func(s *session.Session) error { return errors.Join(s.SetOwner(owner), s.MarkAuthenticated("password")) }
}

type rise struct {
	name          string
	before, rise  func(s *session.Session) error
	grace         time.Duration
	wanted, ended state
}

// rises are the ways in which a session comes to be allowed more, from a session that
// has the value audit.
var rises = []rise{
	{
		"Renew without a grace", login("user:1"),
		func(s *session.Session) error {
			return errors.Join(s.Renew(0), admin.Set(s, true), audit.Set(s, "rise"))
		}, 0,
		state{true, "user:1", "password", true, "rise"},
		state{true, "user:1", "password", false, "start"},
	},
	{
		"Renew with a grace", login("user:1"),
		func(s *session.Session) error {
			return errors.Join(s.Renew(10*time.Second), admin.Set(s, true), audit.Set(s, "rise"))
		}, 10 * time.Second,
		state{true, "user:1", "password", true, "rise"},
		state{true, "user:1", "password", false, "start"},
	},
	{
		"login of a visitor", func(*session.Session) error { return nil },
		func(s *session.Session) error { return errors.Join(login("user:1")(s), audit.Set(s, "rise")) }, 0,
		state{true, "user:1", "password", false, "rise"},
		state{true, "", "", false, "start"},
	},
	{
		"another owner", login("user:0"),
		func(s *session.Session) error { return errors.Join(login("user:1")(s), audit.Set(s, "rise")) }, 0,
		state{true, "user:1", "password", false, "rise"},
		state{true, "user:0", "password", false, "start"},
	},
}

// Whenever the program is killed, or the store fails, at most one of the ids that there
// ever were has the privilege, and each of them stands for all that was changed, or
// for nothing of it, or for no session.
func TestSEC14RenewKilledAtAnyPoint(t *testing.T) {
	locked := slices.Clone(rises[2:]) // they write at once, with a limit
	for i := range locked {
		c := &locked[i]
		c.rise = func(s *session.Session) error { return s.SetOwner("user:1") }
		c.wanted.by, c.wanted.audit = "", "start"
	}
	for limit, cases := range map[int][]rise{0: rises, 5: locked} {
		for _, c := range cases {
			for _, fault := range []faulty.Fault{
				{Kind: faulty.Before}, {Kind: faulty.After}, // all from the Nth on: killed
				{Kind: faulty.Before, Times: 1}, {Kind: faulty.After, Times: 1, Err: store.ErrUnknown}, // applied all the same
				{Kind: faulty.Before, Times: 1, Err: store.ErrFull}, {Kind: faulty.Before, Err: store.ErrFull},
			} {
				t.Run(fmt.Sprintf("%s/limit %d/kind %d times %d %v", c.name, limit, fault.Kind, fault.Times, fault.Err), func(t *testing.T) {
					for n := 0; ; n++ {
						fault.Skip = n
						if n > 20 {
							t.Fatal("the renewal makes no end of calls")
						}
						h := newHands()
						st := h.site(t, session.Options{MaxPerOwner: session.MaxPerOwner{N: limit}})
						b := st.browser()
						b.use(func(s *session.Session) error { return errors.Join(c.before(s), audit.Set(s, "start")) })
						old := b.value()
						undo := st.store.Fail(fault)
						status := 0
						ids := session.Issued(func() {
							status = b.do(func(w http.ResponseWriter, r *http.Request) {
								s, err := session.From(r.Context())
								if err == nil {
									err = c.rise(s)
								}
								if err != nil {
									st.manager.Error(w, r, err)
								}
							}).Code
						})
						struck := undo()
						h.advance(c.grace)
						risen := 0
						for _, id := range append([]string{old}, ids...) {
							switch found := st.state(id); found {
							case c.wanted:
								risen++
								if id == old {
									t.Errorf("call %d: the old id has the privilege", n)
								}
							case c.ended, state{}:
							default:
								t.Errorf("call %d: half: %+v", n, found)
							}
						}
						if risen > 1 {
							t.Errorf("call %d: %d ids have the privilege", n, risen)
						}
						if status == http.StatusOK && (b.value() == old || st.state(b.value()) != c.wanted) {
							t.Errorf("call %d: answered %d, but the browser has %+v", n, status, st.state(b.value()))
						}
						if status != http.StatusOK && b.value() != old {
							t.Errorf("call %d: answered %d, with another cookie", n, status)
						}
						if mine := st.state(b.value()).owner == "user:1"; fault.Times == 1 {
							if l, err := st.manager.List(ctx, "user:1"); err != nil || len(l) > 1 || len(l) == 1 && !mine {
								t.Errorf("call %d: the owner is shown %d sessions (%v); the browser has one: %v", n, len(l), err, mine)
							}
						}
						if struck == 0 {
							if n < 4 || risen != 1 || status != http.StatusOK {
								t.Errorf("without a fault after %d calls: %d risen, answered %d", n, risen, status)
							}
							break
						}
					}
				})
			}
		}
	}
}

// A cookie that was copied before a login, a renewal or a logout is worth nothing after
// it; during a grace it is worth what the session is, and no longer than that.
func TestSEC15CopiedCookies(t *testing.T) {
	nothing := func(t *testing.T, copied *browser) {
		t.Helper()
		if found := copied.state(copied.value()); found != (state{}) {
			t.Errorf("the copy finds %+v", found)
		}
	}
	for name, end := range map[string]func(s *session.Session) error{
		"login":         login("user:1"),
		"another owner": login("user:2"),
		"no owner":      func(s *session.Session) error { return s.SetOwner("") },
		"renewal":       func(s *session.Session) error { return s.Renew(0) },
		"logout":        func(s *session.Session) error { return s.Destroy() },
	} {
		t.Run("before the "+name, func(t *testing.T) {
			h := newHands()
			st := h.site(t, session.Options{})
			b := st.browser()
			b.use(func(s *session.Session) error {
				if name != "login" {
					return errors.Join(login("user:1")(s), admin.Set(s, true))
				}
				return audit.Set(s, "visitor")
			})
			copied := b.clone()
			b.use(end)
			if b.cookie == copied.cookie {
				t.Error("the browser kept its cookie")
			}
			for range 3 {
				nothing(t, copied)
				h.advance(time.Minute)
			}
			if name != "logout" && !st.state(b.value()).live {
				t.Error("the browser has no session")
			}
		})
	}
	for name, end := range map[string]func(b *browser) error{
		"logout": func(b *browser) error { b.use(func(s *session.Session) error { return s.Destroy() }); return nil },
		"EndAll": func(b *browser) error { return b.manager.EndAll(ctx, "user:1") },
		"End": func(b *browser) error {
			l, err := b.manager.List(ctx, "user:1")
			return errors.Join(err, b.manager.End(ctx, "user:1", l[0].Handle))
		},
		"renewal":       func(b *browser) error { b.use(func(s *session.Session) error { return s.Renew(0) }); return nil },
		"another owner": func(b *browser) error { b.use(login("user:2")); return nil },
	} {
		t.Run("in the grace, before the "+name, func(t *testing.T) {
			h := newHands()
			st := h.site(t, session.Options{})
			b := st.browser()
			b.use(login("user:1"))
			copied := b.clone()
			b.use(func(s *session.Session) error { return s.Renew(time.Minute) })
			second := b.clone()
			if found := st.state(copied.value()); found.owner != "user:1" {
				t.Fatalf("in its grace the copy finds %+v", found)
			}
			if err := end(b); err != nil {
				t.Fatal(err)
			}
			nothing(t, copied)
			nothing(t, second)
		})
	}
}

// A privilege that is given in a request which came with an old id, in its grace, is
// not that id's: Renew(0) renews there too, and so does one that meets a renewal with a
// grace.
func TestSEC14RenewByAnOldId(t *testing.T) {
	rise := func(s *session.Session) error { return errors.Join(s.Renew(0), admin.Set(s, true)) }
	t.Run("that came with it", func(t *testing.T) {
		st := newHands().site(t, session.Options{})
		b := st.browser()
		b.use(login("user:1"))
		old := b.clone()
		b.use(func(s *session.Session) error { return s.Renew(time.Minute) })
		second, late := b.clone(), old.clone()
		late.use(rise)
		for what, copied := range map[string]*browser{"the first": old, "the second": second} {
			if found := st.state(copied.value()); found.live {
				t.Errorf("%s id finds %+v", what, found)
			}
		}
		if found := st.state(late.value()); !found.admin {
			t.Errorf("the third id finds %+v", found)
		}
	})
	t.Run("that met it", func(t *testing.T) {
		st := newHands().site(t, session.Options{})
		b := st.browser()
		b.use(login("user:1"))
		old := b.clone()
		b.use(func(s *session.Session) error {
			old.clone().use(func(s *session.Session) error { return s.Renew(time.Minute) })
			return rise(s)
		})
		if found := st.state(old.value()); found.live {
			t.Errorf("the old id finds %+v", found)
		}
		if found := st.state(b.value()); !found.admin {
			t.Errorf("the new id finds %+v", found)
		}
	})
	t.Run("with a grace it renews nothing", func(t *testing.T) {
		st := newHands().site(t, session.Options{})
		b := st.browser()
		b.visit()
		old := b.clone()
		b.use(func(s *session.Session) error { return s.Renew(time.Minute) })
		late := old.clone()
		late.use(func(s *session.Session) error { return errors.Join(s.Renew(time.Minute), name.Set(s, "late")) })
		if late.cookie != old.cookie {
			t.Error("it has got another id")
		}
		b.use(func(s *session.Session) error {
			if got := name.Get(s); got != "late" {
				t.Errorf("name is %q", got)
			}
			return nil
		})
	})
}

func TestRenewRefuses(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.use(func(s *session.Session) error {
		wantErr(t, "a negative grace", s.Renew(-1), store.ErrInvalid)
		wantErr(t, "a long grace", s.Renew(time.Hour+1), store.ErrInvalid)
		return nil
	})
	if b.visit() != 2 {
		t.Error("the session is another")
	}
}

// What is saved after a renewal goes to the new id; a renewal after the logout has
// nothing to renew.
func TestRenewBetweenOtherThings(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	first := b.clone()
	b.use(func(s *session.Session) error {
		if err := errors.Join(s.Renew(0), s.Save(), name.Set(s, "after"), s.Save()); err != nil {
			return err
		}
		_, err := visits.Update(s, plus1)
		return err
	})
	if b.cookie == first.cookie || b.visit() != 3 {
		t.Error("the values did not come along")
	}
	b.use(func(s *session.Session) error {
		if got := name.Get(s); got != "after" {
			t.Errorf("name is %q", got)
		}
		return errors.Join(s.Destroy(), s.Renew(0))
	})
	if b.cookie != "" {
		t.Error("the cookie was not cleared")
	}
	if got := st.told(); slices.Contains(got, session.Reused) {
		t.Errorf("events: %v", got)
	}
	b.use(func(s *session.Session) error { return errors.Join(s.Renew(0), s.Save()) })
	if b.cookie != "" {
		t.Error("a session of nothing was stored")
	}
}

// The store is full between the two writes of a renewal: the old id has its session
// back, and it may be tried again.
func TestRenewIntoAFullStore(t *testing.T) {
	for _, c := range rises {
		t.Run(c.name, func(t *testing.T) {
			st := newHands().site(t, session.Options{})
			b := st.browser()
			b.use(func(s *session.Session) error { return errors.Join(c.before(s), audit.Set(s, "start")) })
			old := b.clone()
			undo := st.store.Fail(faulty.Fault{Verb: faulty.Create, Err: store.ErrFull})
			b.use(func(s *session.Session) error {
				if err := c.rise(s); err != nil {
					return err
				}
				wantErr(t, "Save", s.Save(), store.ErrFull)
				if found := st.state(old.value()); found != c.ended {
					t.Errorf("the old id finds %+v", found)
				}
				if undo() != 1 {
					t.Error("the fault did not strike")
				}
				return s.Save()
			})
			if found := st.state(b.value()); found != c.wanted || b.cookie == old.cookie {
				t.Errorf("tried again it is %+v", found)
			}
		})
	}
}
