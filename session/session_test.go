package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

func TestTwoBrowsersCountApart(t *testing.T) {
	st := newSite(t, session.Options{})
	a, b := st.browser(), st.browser()
	got := []int{a.visit(), a.visit(), b.visit(), a.visit()}
	if want := []int{1, 2, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := st.sessions(); n != 2 {
		t.Errorf("%d sessions are stored, want 2", n)
	}
}

func TestNothingForNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	quiet := func(what string, w *httptest.ResponseRecorder, calls int, vary bool) {
		t.Helper()
		if n := st.store.Calls(""); n != calls {
			t.Errorf("%s: %d store calls so far, want %d", what, n, calls)
		}
		want := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
		if vary {
			want["Vary"] = []string{"Cookie"}
		}
		if !reflect.DeepEqual(w.Header(), want) {
			t.Errorf("%s: headers %v, want %v", what, w.Header(), want)
		}
	}
	hello := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }
	b := st.browser()
	quiet("a handler that does not ask", b.do(hello), 0, false)
	quiet("a handler that only reads", b.do(func(w http.ResponseWriter, r *http.Request) {
		s := load(t, r)
		if visits.Get(s) != 0 || !s.New() {
			t.Error("the new session is not new, or not empty")
		}
		hello(w, r)
	}), 0, true)
	quiet("a handler that sets and deletes", b.do(func(w http.ResponseWriter, r *http.Request) {
		s := load(t, r)
		if err := errors.Join(visits.Set(s, 1), visits.Delete(s)); err != nil {
			t.Error(err)
		}
		hello(w, r)
	}), 0, true)

	b.visit()
	before := st.store.Calls("")
	quiet("a handler that does not ask, with a session", b.do(hello), before, false)
	quiet("a handler that reads a session", b.do(func(w http.ResponseWriter, r *http.Request) {
		if n := visits.Get(load(t, r)); n != 1 {
			t.Errorf("read %d, want 1", n)
		}
		_ = load(t, r)
		hello(w, r)
	}), before+1, true)
	quiet("a handler that sets what is there", b.do(func(w http.ResponseWriter, r *http.Request) {
		if err := visits.Set(load(t, r), 1); err != nil {
			t.Error(err)
		}
		hello(w, r)
	}), before+2, true)
}

func TestValues(t *testing.T) {
	type cart struct {
		Items []string
		Note  string
	}
	st := newSite(t, session.Options{})
	b := st.browser()
	key := session.NewKey[cart]("cart")
	want := cart{[]string{"tea", "<b>"}, "Zoë\x00 \U0001F642"}
	b.use(func(s *session.Session) error {
		if _, ok, err := key.Lookup(s); ok || err != nil {
			t.Errorf("Lookup of nothing: %v, %v", ok, err)
		}
		return errors.Join(key.Set(s, want), name.Set(s, "alice"))
	})
	b.use(func(s *session.Session) error {
		if got := key.Get(s); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		key.Get(s).Items[0] = "changed"
		if got := key.Get(s); got.Items[0] != "tea" {
			t.Error("what Get returned is shared with the session")
		}
		return name.Delete(s)
	})
	b.use(func(s *session.Session) error {
		_, ok, err := name.Lookup(s)
		if ok || err != nil {
			t.Errorf("deleted: %v, %v", ok, err)
		}
		_, ok, err = key.Lookup(s)
		if !ok || err != nil {
			t.Errorf("beside what was deleted: %v, %v", ok, err)
		}
		return nil
	})
}

// A program that changes a value's type must not lock out those who have the old
// one.
func TestUnreadableValueIsMissing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error { return name.Set(s, "s3cret") })
	asInt := session.NewKey[int]("name")
	st.told()
	b.use(func(s *session.Session) error {
		if n := asInt.Get(s); n != 0 {
			t.Errorf("Get: %d", n)
		}
		_, ok, err := asInt.Lookup(s)
		if !ok || err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Lookup: %v, %v; want an error that does not quote the value", ok, err)
		}
		n, err := asInt.Update(s, plus1)
		if n != 1 {
			t.Errorf("Update: %d", n)
		}
		return err
	})
	if got := st.told(); !slices.Equal(got, []session.Kind{session.Unreadable, session.Unreadable}) {
		t.Errorf("events: %v", got)
	}
	b.use(func(s *session.Session) error {
		n, err := asInt.Pop(s)
		if n != 1 {
			t.Errorf("Pop: %d", n)
		}
		return err
	})
}

// Nor is it half read.
func TestUnreadableValueIsNotHalfThere(t *testing.T) {
	b := newSite(t, session.Options{}).browser()
	type old struct{ A, B string }
	type changed struct {
		A string
		B int
	}
	asOld, asNew := session.NewKey[old]("x"), session.NewKey[changed]("x")
	b.use(func(s *session.Session) error {
		err := asOld.Set(s, old{"a", "b"})
		v, ok, failed := asNew.Lookup(s)
		if got := asNew.Get(s); got != (changed{}) || v != (changed{}) || !ok || failed == nil {
			t.Errorf("Get: %+v, Lookup: %+v, %v, %v", got, v, ok, failed)
		}
		return err
	})
}

func TestEncodingErrorChangesNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	bad := session.NewKey[any]("bad")
	b.use(func(s *session.Session) error {
		if err := bad.Set(s, func() {}); err == nil {
			t.Error("Set of a function succeeded")
		}
		if _, err := bad.Update(s, func(any) any { return make(chan int) }); err == nil {
			t.Error("Update to a channel succeeded")
		}
		return nil
	})
	if n := st.store.Calls(""); n != 0 {
		t.Errorf("%d store calls", n)
	}
}

func TestDestroy(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	old := b.clone()
	w := b.use(func(s *session.Session) error {
		_ = visits.Set(s, 99)
		err := s.Destroy()
		if !s.New() || visits.Get(s) != 0 {
			t.Error("after Destroy the session is not a new one")
		}
		return err
	})
	want := "__Host-Http-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	if got := w.Header()["Set-Cookie"]; !slices.Equal(got, []string{want}) {
		t.Errorf("Set-Cookie: %q, want %q", got, want)
	}
	if st.sessions() != 0 || b.cookie != "" {
		t.Errorf("%d sessions, cookie %q", st.sessions(), b.cookie)
	}
	// A cookie kept from before is worth nothing, and becomes nothing.
	before := old.cookie
	if n := old.visit(); n != 1 || old.cookie == before {
		t.Errorf("with the old cookie: visit %d, cookie kept: %v", n, old.cookie == before)
	}
}

func TestSetAfterDestroyIsAnotherSession(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	before := b.cookie
	w := b.use(func(s *session.Session) error {
		return errors.Join(s.Destroy(), name.Set(s, "bye"))
	})
	if n := len(w.Header()["Set-Cookie"]); n != 1 || b.cookie == before || b.cookie == "" {
		t.Errorf("%d cookies; a new one: %v", n, b.cookie != before)
	}
	b.use(func(s *session.Session) error {
		if visits.Get(s) != 0 || name.Get(s) != "bye" {
			t.Errorf("visits %d, name %q", visits.Get(s), name.Get(s))
		}
		return nil
	})
}

// Destroy marks the session, and deletes it. One of the two is enough: a disk that is
// full takes no mark, and a mark without a deletion ends the session too. Without both
// the session is as it was.
func TestDestroyThatFails(t *testing.T) {
	for what, verbs := range map[string][]string{
		"the mark fails": {faulty.Update}, "the deletion fails": {faulty.Delete}, "both fail": {faulty.Update, faulty.Delete},
	} {
		t.Run(what, func(t *testing.T) {
			st := newSite(t, session.Options{})
			b := st.browser()
			b.visit()
			before := b.clone()
			var undo []func() int
			for _, verb := range verbs {
				undo = append(undo, st.store.Fail(faulty.Fault{Verb: verb}))
			}
			var want error
			if len(verbs) == 2 {
				want = faulty.ErrInjected
			}
			b.use(func(s *session.Session) error {
				wantErr(t, "Destroy", s.Destroy(), want)
				return nil
			})
			for _, u := range undo {
				if u() != 1 {
					t.Error("a fault did not strike")
				}
			}
			if want == nil {
				if b.cookie != "" || before.visit() != 1 {
					t.Error("the session has not ended")
				}
			} else if b.cookie != before.cookie || b.visit() != 2 {
				t.Error("the session is not what it was")
			}
		})
	}
}

func TestFromWithoutHandler(t *testing.T) {
	_, err := session.From(ctx)
	wantErr(t, "From", err, session.ErrNoHandler)
	st := newSite(t, session.Options{})
	_, err = st.manager.From(ctx)
	wantErr(t, "(*Manager).From", err, session.ErrNoHandler)
}

func TestManagersNest(t *testing.T) {
	outer, inner := newSite(t, session.Options{}), newSite(t, session.Options{Cookie: session.Cookie{Name: "inner"}})
	h := outer.manager.Handler(inner.manager.Handler(outer.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		in, out := load(t, r), must(t, outer.manager, r.Context())
		if in == out || in != must(t, inner.manager, r.Context()) {
			t.Error("From is not the innermost manager's, or (*Manager).From not its own")
		}
		if err := errors.Join(name.Set(in, "inner"), name.Set(out, "outer")); err != nil {
			t.Error(err)
		}
	}))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if n := len(w.Header()["Set-Cookie"]); n != 2 || outer.sessions() != 1 || inner.sessions() != 1 {
		t.Errorf("%d cookies, %d and %d sessions, want 2, 1 and 1", n, outer.sessions(), inner.sessions())
	}
}

func must(t *testing.T, m *session.Manager, ctx context.Context) *session.Session {
	t.Helper()
	s, err := m.From(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSEC28StringsTellNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error { return name.Set(s, "s3cret") })
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		s := load(t, r)
		text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %+v", s, s, s, s, st.manager, st.manager, st.manager, r.Context(), r.Context())
		if strings.Contains(text, "s3cret") || strings.Contains(text, b.value()) {
			t.Errorf("printed: %s", text)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	if _, err := session.New(nil, nil); err == nil {
		t.Error("New took no store")
	}
	for what, opts := range map[string]session.Options{
		"nothing ends":          {Idle: -1, Absolute: -1},
		"idle over 400 days":    {Idle: 401 * 24 * time.Hour},
		"absolute over 400 day": {Absolute: 400*24*time.Hour + 1},
	} {
		if _, err := session.New(memory.New(nil), &opts); err == nil {
			t.Errorf("%s: New took it", what)
		}
	}
}

// The owner is not this package's yet, but what another program wrote stays.
func TestOwnerIsKept(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	for l, err := range st.store.List(ctx, store.Query{Data: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.store.Update(ctx, l.ID, store.Record{Data: l.Data, Owner: "user:42"}, time.Hour, l.Revision); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.visit(); n != 2 {
		t.Errorf("visit %d, want 2", n)
	}
	n := 0
	for _, err := range st.store.List(ctx, store.Query{Owner: "user:42"}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d sessions of the owner, want 1", n)
	}
}

// What comes after Destroy is nobody's, and a browser that has no cookie is not told
// to forget one.
func TestAfterDestroy(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	for l, err := range st.store.List(ctx, store.Query{Data: true}) {
		if err == nil {
			_, err = st.store.Update(ctx, l.ID, store.Record{Data: l.Data, Owner: "user:42"}, time.Hour, l.Revision)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b.use(func(s *session.Session) error { return errors.Join(s.Destroy(), name.Set(s, "bye")) })
	for l, err := range st.store.List(ctx, store.Query{}) {
		if err != nil || l.Owner != "" {
			t.Errorf("owner %q, %v", l.Owner, err)
		}
	}
	w := st.browser().use(func(s *session.Session) error { return errors.Join(visits.Set(s, 1), s.Save(), s.Destroy()) })
	if got := w.Header().Get("Set-Cookie"); got != "" || st.sessions() != 1 {
		t.Errorf("Set-Cookie %q, %d sessions", got, st.sessions())
	}
	// A session that another tab has ended can be ended, and begun anew.
	b.use(func(s *session.Session) error {
		b.clone().use(func(s *session.Session) error { return s.Destroy() })
		err := visits.Set(s, 2)
		wantErr(t, "Save", s.Save(), session.ErrGone)
		return errors.Join(err, s.Destroy(), visits.Set(s, 7))
	})
	if n := b.visit(); n != 8 {
		t.Errorf("visit %d, want 8", n)
	}
}

// A type that has no name of its own is named all the same.
func TestErrorsNameTheType(t *testing.T) {
	newSite(t, session.Options{}).browser().use(func(s *session.Session) error {
		if err := session.NewKey[any]("bad").Set(s, func() {}); err == nil || strings.Contains(err.Error(), "nil") {
			t.Errorf("got %v", err)
		}
		return nil
	})
}
