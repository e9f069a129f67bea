package sessiontest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

var (
	visits = session.NewKey[int]("visits")

	errOwn = errors.New("the test's own")
)

// site is a program under test.
func site(opts *session.Options) (*session.Manager, http.Handler) {
	sessions, err := session.New(memory.New(nil), opts)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", welcome)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.SetOwner(r.FormValue("name"))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.Destroy()
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	return sessions, sessions.Handler(http.NewCrossOriginProtection().Handler(mux))
}

func welcome(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	n, err := visits.Update(s, func(n int) int { return n + 1 })
	fmt.Fprintf(w, "%s %d %v", s.Owner(), n, err)
}

func TestClient(t *testing.T) {
	// A domain and a path that no client of the tests is at.
	sessions, h := site(&session.Options{Cookie: session.Cookie{Name: "__Secure-x", Domain: "example.org", Path: "/app"}})
	client := sessiontest.NewClient(h)
	if err := client.Use(sessions, func(s *session.Session) error { return errors.Join(s.SetOwner("alice"), visits.Set(s, 41)) }); err != nil {
		t.Fatal(err)
	}
	if got := client.Get("/?a=b").Body.String(); got != "alice 42 <nil>" {
		t.Errorf("got %q", got)
	}
	n := 0
	if err := client.Use(sessions, func(s *session.Session) error { n = visits.Get(s); return nil }); n != 42 || err != nil {
		t.Errorf("stored are %d, %v, want 42", n, err)
	}
	thief := client.Clone()
	if w := client.PostForm("/logout", nil); w.Code != http.StatusOK {
		t.Errorf("logout: %d", w.Code)
	}
	if got := thief.Get("/").Body.String(); got != " 1 <nil>" {
		t.Errorf("after the logout the copy is answered %q", got)
	}
	if got := client.Get("/").Body.String(); got != " 1 <nil>" {
		t.Errorf("after the logout: %q", got)
	}
	client.PostForm("/login", url.Values{"name": {"bob"}})
	if got := client.Get("/").Body.String(); got != "bob 2 <nil>" {
		t.Errorf("after the login: %q", got)
	}
}

func TestUseThatFails(t *testing.T) {
	sessions, h := site(nil)
	client := sessiontest.NewClient(h)
	client.Get("/")
	err := client.Use(sessions, func(s *session.Session) error { return errors.Join(visits.Set(s, 10), errOwn) })
	if !errors.Is(err, errOwn) {
		t.Errorf("got %v", err)
	}
	if got := client.Get("/").Body.String(); got != " 2 <nil>" {
		t.Errorf("it was saved all the same: %q", got)
	}
	if err := client.Use(sessions, func(s *session.Session) error { return s.SetOwner("\n") }); err == nil {
		t.Error("what is no owner is taken")
	}
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("the panic of the test is %v", p)
		}
	}()
	_ = client.Use(sessions, func(*session.Session) error { panic("mine") })
}

func TestTabs(t *testing.T) {
	_, h := site(nil)
	client := sessiontest.NewClient(h)
	client.Get("/")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { client.Get("/") })
	}
	all.Wait()
	if got := client.Get("/").Body.String(); got != " 12 <nil>" {
		t.Errorf("got %q", got)
	}
}

func TestRequest(t *testing.T) {
	sessions, _ := site(nil)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "theme", Value: "dark"})
	r = sessiontest.Request(sessions, r, func(s *session.Session) error { return errors.Join(s.SetOwner("alice"), visits.Set(s, 6)) })
	w := httptest.NewRecorder()
	welcome(w, r)
	if got := w.Body.String(); got != "alice 7 <nil>" {
		t.Errorf("got %q", got)
	}
	s, err := session.From(r.Context())
	if err != nil || visits.Get(s) != 7 || s.New() {
		t.Errorf("afterwards: %v, %d", err, visits.Get(s))
	}
	if k, err := r.Cookie("theme"); err != nil || k.Value != "dark" {
		t.Errorf("the request's own cookie: %v, %v", k, err)
	}
	if err := s.Save(); err != nil {
		t.Errorf("save: %v", err)
	}
	infos, err := sessions.List(t.Context(), "alice")
	if len(infos) != 1 || err != nil {
		t.Errorf("stored: %v, %v", infos, err)
	}
	empty := sessiontest.Request(sessions, httptest.NewRequest("GET", "/", nil), nil)
	if s, err := session.From(empty.Context()); err != nil || !s.New() {
		t.Errorf("a new one: %v, %v", s, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an error of the test is no panic")
		}
	}()
	sessiontest.Request(sessions, httptest.NewRequest("GET", "/", nil), func(*session.Session) error { return errOwn })
}
