package session_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
)

// ask has h serve r with the browser's cookie.
func (b *browser) ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	w := httptest.NewRecorder()
	b.manager.Handler(h).ServeHTTP(w, r)
	return w
}

var page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })

func TestSEC19RequireFreshRefusesAnOldLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		h := st.manager.RequireFresh(5*time.Minute, page, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }))
		want := func(what string, b *browser, code int) {
			t.Helper()
			if w := b.ask(h, httptest.NewRequest("GET", "/", nil)); w.Code != code {
				t.Errorf("%s: status %d, want %d", what, w.Code, code)
			}
		}
		b := st.browser()
		want("nobody", b, 401)
		b.use(func(s *session.Session) error { return s.MarkAuthenticated("password") })
		want("a proof without an owner", b, 401)
		b.use(func(s *session.Session) error { return s.Destroy() })
		b.use(func(s *session.Session) error { return s.SetOwner("alice") })
		want("an owner without a proof", b, 401)
		b.use(func(s *session.Session) error { return s.MarkAuthenticated("password") })
		want("fresh", b, 200)
		time.Sleep(5 * time.Minute)
		want("at its end", b, 200)
		time.Sleep(2 * time.Millisecond)
		want("after it", b, 401)
		b.use(func(s *session.Session) error { return s.MarkAuthenticated("webauthn") })
		want("proved again", b, 200)
		b.use(func(s *session.Session) error { return s.SetOwner("bob") })
		want("another's proof", b, 401)
	})
}

// A proof from the future, by a clock that is wrong, is none.
func TestSEC19ProofFromTheFuture(t *testing.T) {
	st := newSite(t, session.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	b := st.browser()
	b.use(func(s *session.Session) error {
		return errors.Join(s.SetOwner("alice"), s.MarkAuthenticated("password"))
	})
	now := newSiteOn(t, st.store, session.Options{})
	b.site = now
	w := b.ask(now.manager.RequireFresh(5*time.Minute, page, http.NotFoundHandler()), httptest.NewRequest("GET", "/", nil))
	if w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

func TestRequire(t *testing.T) {
	st := newSite(t, session.Options{})
	h := st.manager.Require(page, session.LoginAt("/login"))
	b := st.browser()
	calls := st.store.Calls("")
	for _, c := range []struct {
		method, target string
		header         map[string]string
		code           int
		location, htmx string
	}{
		{"GET", "/a?b=c&d=e", nil, 303, "/login?return=%2Fa%3Fb%3Dc%26d%3De", ""},
		{"HEAD", "/a", nil, 303, "/login?return=%2Fa", ""},
		{"GET", "/a", map[string]string{"Accept": "text/html,application/json;q=0.9"}, 303, "/login?return=%2Fa", ""},
		{"GET", "/a", map[string]string{"Sec-Fetch-Mode": "navigate"}, 303, "/login?return=%2Fa", ""},
		{"POST", "/a", nil, 303, "/login", ""},
		{"GET", "//evil.example/x", nil, 303, "/login", ""},
		{"GET", "/a", map[string]string{"Accept": "application/json"}, 401, "", ""},
		{"GET", "/a", map[string]string{"Sec-Fetch-Mode": "cors"}, 401, "", ""},
		{"GET", "/a", map[string]string{"X-Requested-With": "XMLHttpRequest"}, 401, "", ""},
		{"GET", "/part", map[string]string{"HX-Request": "true", "HX-Current-URL": "http://example.com/a?b=c"}, 401, "", "/login?return=%2Fa%3Fb%3Dc"},
		{"GET", "/part", map[string]string{"HX-Request": "true", "HX-Current-URL": "http://evil.example/a"}, 401, "", "/login"},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.URL, _ = url.ParseRequestURI(c.target)
		r.RequestURI = c.target
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		w := b.ask(h, r)
		if w.Code != c.code || w.Header().Get("Location") != c.location || w.Header().Get("HX-Redirect") != c.htmx {
			t.Errorf("%s %s %v: %d to %q, %q; want %d to %q, %q", c.method, c.target, c.header, w.Code, w.Header().Get("Location"), w.Header().Get("HX-Redirect"), c.code, c.location, c.htmx)
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "no-store") || strings.Contains(w.Body.String(), "page") {
			t.Errorf("%s %s: it may be kept, or shows the page", c.method, c.target)
		}
	}
	if n := st.store.Calls(""); n != calls {
		t.Errorf("requests without a cookie have called the store %d times", n-calls)
	}
	b.use(func(s *session.Session) error { return s.SetOwner("alice") })
	if w := b.ask(h, httptest.NewRequest("GET", "/", nil)); w.Body.String() != "page" {
		t.Errorf("logged in: %d", w.Code)
	}
	undo := st.store.Fail(faulty.Fault{})
	if w := b.ask(st.manager.OrAnonymous(h), httptest.NewRequest("GET", "/", nil)); w.Code != 503 {
		t.Errorf("with a store that is down: %d, want 503: who is there cannot be known", w.Code)
	}
	if undo() == 0 {
		t.Error("the fault did not strike")
	}
}

func TestReturnPath(t *testing.T) {
	for _, bad := range []string{
		"", "//evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "https:evil.example", "javascript:alert(1)", "evil.example",
		"/\t/evil.example", "/\n/evil.example", " /a", "/a b", "\x00/", "/%zz", "http:///a", "///evil.example", "/\u2028\\evil", "?a", "#a",
	} {
		r := httptest.NewRequest("GET", "/?"+url.Values{"return": {bad}}.Encode(), nil)
		if got := session.ReturnPath(r, "/home"); got != "/home" {
			t.Errorf("%q: %q", bad, got)
		}
	}
	for _, good := range []string{"/", "/a/b?c=d#e", "/%5cevil", "/a//b", "/ä"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(url.Values{"return": {good}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := session.ReturnPath(r, "/home"); got != good {
			t.Errorf("%q: %q", good, got)
		}
	}
}

// An open tab that polls keeps nobody logged in, whether it reads or writes.
func TestPassive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, change := range map[string]func(s *session.Session) error{
			"reads":  func(*session.Session) error { return nil },
			"writes": func(s *session.Session) error { _, err := visits.Update(s, plus1); return err },
			"renews": func(s *session.Session) error { return s.Renew(0) },
		} {
			st := newSite(t, session.Options{Idle: time.Hour, Absolute: 24 * time.Hour})
			b := st.browser()
			b.visit()
			poll := st.manager.Passive(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s := load(t, r)
				if s.New() {
					return
				}
				if err := change(s); err != nil {
					t.Error(err)
				}
				if left := time.Until(s.Ends()); left > time.Hour {
					t.Errorf("it ends in %v", left)
				}
			}))
			calls := st.store.Calls(faulty.Touch)
			began := time.Now()
			for {
				if alive, _ := b.alive(); !alive {
					break
				}
				if time.Since(began) > 2*time.Hour {
					t.Fatalf("it %s: after two hours of polling it is alive", what)
				}
				b.do(poll.ServeHTTP)
				time.Sleep(time.Minute)
			}
			if lived := time.Since(began); lived < 59*time.Minute || lived > 62*time.Minute {
				t.Errorf("it %s: it lived for %v", what, lived)
			}
			if n := st.store.Calls(faulty.Touch) - calls; n != 0 && what != "renews" { // which asks for what it has left
				t.Errorf("it %s: %d touches", what, n)
			}
		}
	})
}

// SEC-26, and the other policy: a page that is of use to everybody.
func TestSEC26StoreDown(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	cookie := b.cookie
	undo := st.store.Fail(faulty.Fault{})
	get := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			st.manager.Error(w, r, err)
			return
		}
		if s.Err() != nil {
			wantErr(t, "Err", s.Err(), faulty.ErrInjected)
			wantErr(t, "Set", visits.Set(s, 1), faulty.ErrInjected)
			wantErr(t, "SetOwner", s.SetOwner("alice"), faulty.ErrInjected)
			wantErr(t, "Destroy", s.Destroy(), faulty.ErrInjected)
		}
		_, _ = io.WriteString(w, "page")
	})
	for what, c := range map[string]struct {
		h      http.Handler
		cookie string
		code   int
	}{
		"error": {get, cookie, 503}, "anonymous": {st.manager.OrAnonymous(get), cookie, 200}, "no cookie": {get, "", 200},
	} {
		x := &browser{st, c.cookie}
		calls := st.store.Calls("")
		w := x.ask(c.h, httptest.NewRequest("GET", "/", nil))
		if w.Code != c.code || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: status %d, Set-Cookie %q", what, w.Code, w.Header().Get("Set-Cookie"))
		}
		if c.cookie != "" && !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			t.Errorf("%s: it may be kept", what)
		}
		if n := st.store.Calls("") - calls; c.cookie == "" && n != 0 {
			t.Errorf("%s: %d store calls", what, n)
		}
	}
	if undo() == 0 {
		t.Error("the fault did not strike")
	}
	if n := b.visit(); n != 2 || b.cookie != cookie {
		t.Errorf("the store is back: visit %d, want 2", n)
	}
}
