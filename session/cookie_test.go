package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// The cookie travels without encryption only where an option says so by its name.
func TestSEC11PlainHTTPIsAsked(t *testing.T) {
	set := func(opts session.Options) string {
		st := newSite(t, opts)
		return st.browser().use(func(s *session.Session) error { return visits.Set(s, 1) }).Header().Get("Set-Cookie")
	}
	for _, c := range []session.Cookie{
		{},
		{Name: "session"},
		{Name: "__Host-x", SameSite: http.SameSiteStrictMode},
		{Name: "__Secure-x", Domain: "example.com", Path: "/a"},
		{Name: "x", ScriptAccess: true},
		{Name: "x", SameSite: http.SameSiteNoneMode, Partitioned: true},
	} {
		if line := set(session.Options{Cookie: c}); !strings.Contains(line, "; Secure") {
			t.Errorf("%+v: %s", c, strings.SplitN(line, ";", 2)[1])
		}
	}
	line := set(session.Options{Cookie: session.Cookie{PlainHTTP: true}})
	if !strings.HasPrefix(line, "session=") || strings.Contains(line, "Secure") || !strings.Contains(line, "; HttpOnly") {
		t.Errorf("PlainHTTP: %s", strings.SplitN(line, ";", 2)[1])
	}
	// A client over plain http is given the cookie with Secure all the same: that the
	// request came over http, or that a proxy says https, changes nothing.
	for _, proto := range []string{"", "http", "https"} {
		st := newSite(t, session.Options{})
		r := httptest.NewRequest("GET", "http://example.com/", nil)
		r.Header.Set("X-Forwarded-Proto", proto)
		w := st.browser().ask(exit(t, func(s *session.Session) error { return visits.Set(s, 1) }), r)
		if !strings.Contains(w.Header().Get("Set-Cookie"), "; Secure") {
			t.Errorf("over http, %q in front: no Secure", proto)
		}
	}
}

// Whatever gives out a cookie, or takes one back, is kept by no cache, and whatever
// depends on one says so; beside what the handler says.
func TestSEC12NoCacheKeepsACookie(t *testing.T) {
	cookies := map[string]session.Cookie{
		"default": {}, "partitioned": {SameSite: http.SameSiteNoneMode, Partitioned: true}, "plain": {PlainHTTP: true},
	}
	steps := []struct {
		what   string
		do     func(s *session.Session) error
		cookie bool
	}{
		{"read nothing", func(s *session.Session) error { visits.Get(s); return nil }, false},
		{"created", func(s *session.Session) error { return visits.Set(s, 1) }, true},
		{"read", func(s *session.Session) error { visits.Get(s); return nil }, false},
		{"changed", func(s *session.Session) error { return visits.Set(s, 2) }, false},
		{"kept by the browser", func(s *session.Session) error { return s.SetPersistent(true) }, true},
		{"saved in between", func(s *session.Session) error { return errors.Join(s.Renew(0), s.Save()) }, true},
		{"logged in", func(s *session.Session) error { return s.SetOwner("alice") }, true},
		{"forgotten by the browser", func(s *session.Session) error { return s.SetPersistent(false) }, true},
		{"logged out", func(s *session.Session) error { return s.Destroy() }, true},
	}
	for kind, c := range cookies {
		st := newSite(t, session.Options{Cookie: c})
		b := st.browser()
		for _, step := range steps {
			w := b.do(func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("Cache-Control", `public, max-age=600, ext="a, no-store, b"`)
				h.Set("CDN-Cache-Control", "max-age=600")
				h.Set("Surrogate-Control", "max-age=600")
				h.Set("Vary", "Accept")
				if err := step.do(load(t, r)); err != nil {
					t.Error(err)
				}
				fmt.Fprint(w, "page")
			})
			h := w.Header()
			if !slices.Equal(h["Vary"], []string{"Accept", "Cookie"}) {
				t.Errorf("%s, %s: Vary %q", kind, step.what, h["Vary"])
			}
			if n := len(h["Set-Cookie"]); (n == 1) != step.cookie || n > 1 {
				t.Errorf("%s, %s: %d cookies", kind, step.what, n)
			}
			for _, name := range []string{"Cache-Control", "Cdn-Cache-Control", "Surrogate-Control"} {
				lines := h[name]
				if !strings.Contains(lines[0], "max-age=600") || slices.Contains(lines, "no-store") != step.cookie {
					t.Errorf("%s, %s: %s %q", kind, step.what, name, lines)
				}
			}
		}
	}
}

// A browser's cookie is gone after the logout, whatever its attributes are.
func TestSEC13Clearing(t *testing.T) {
	for what, c := range map[string]session.Cookie{
		"default":       {},
		"partitioned":   {SameSite: http.SameSiteNoneMode, Partitioned: true},
		"path":          {Name: "__Secure-x", Path: "/app"},
		"domain":        {Name: "__Secure-x", Domain: "example.com"},
		"domain, path":  {Name: "__Http-x", Domain: ".example.com", Path: "/app/"},
		"strict":        {SameSite: http.SameSiteStrictMode},
		"script access": {Name: "__Host-x", ScriptAccess: true},
		"plain":         {PlainHTTP: true},
	} {
		for _, persistent := range []bool{false, true} {
			m, err := session.New(memory.New(nil), &session.Options{Cookie: c})
			if err != nil {
				t.Fatal(err)
			}
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			at, err := url.Parse("https://www.example.com/app/page")
			if err != nil {
				t.Fatal(err)
			}
			ask := func(f func(s *session.Session) error) (set string) {
				t.Helper()
				r := httptest.NewRequest("GET", at.String(), nil)
				for _, k := range jar.Cookies(at) {
					r.AddCookie(k)
				}
				w := httptest.NewRecorder()
				m.Handler(exit(t, f)).ServeHTTP(w, r)
				jar.SetCookies(at, w.Result().Cookies())
				return w.Header().Get("Set-Cookie")
			}
			set := ask(func(s *session.Session) error { return errors.Join(visits.Set(s, 1), s.SetPersistent(persistent)) })
			if len(jar.Cookies(at)) != 1 || persistent != strings.Contains(set, "Max-Age=") {
				t.Fatalf("%s: %d cookies, persistent %v", what, len(jar.Cookies(at)), persistent)
			}
			cleared := ask(func(s *session.Session) error {
				if visits.Get(s) != 1 {
					t.Errorf("%s: the cookie did not come back", what)
				}
				return s.Destroy()
			})
			if n := len(jar.Cookies(at)); n != 0 {
				t.Errorf("%s, persistent %v: %d cookies after the logout", what, persistent, n)
			}
			// The jar knows nothing of prefixes and partitions: browsers compare these too.
			if got, want := attributes(cleared), attributes(set); !slices.Equal(got, want) {
				t.Errorf("%s: cleared with %q, set with %q", what, got, want)
			}
		}
	}
}

// attributes are a cookie's name and attributes, but what says how long it is kept.
func attributes(line string) (all []string) {
	for i, part := range strings.Split(line, "; ") {
		name, _, _ := strings.Cut(part, "=")
		switch {
		case i == 0:
			all = append(all, name)
		case name != "Max-Age" && name != "Expires":
			all = append(all, part)
		}
	}
	slices.Sort(all)
	return all
}

// The browser is told to keep the cookie for what is left, in whole seconds, and never
// for none: Max-Age=0 would clear it.
func TestMaxAge(t *testing.T) {
	for life, want := range map[time.Duration]string{
		time.Hour: "3600", 90*time.Second + 900*time.Millisecond: "90", time.Second: "1", 50 * time.Millisecond: "1",
	} {
		now := time.Now()
		st := newSiteOn(t, memory.New(&memory.Options{Now: func() time.Time { return now }}), session.Options{Idle: life, Now: func() time.Time { return now }})
		w := st.browser().use(func(s *session.Session) error { return errors.Join(visits.Set(s, 1), s.SetPersistent(true)) })
		if _, got, _ := strings.Cut(w.Header().Get("Set-Cookie"), "; Max-Age="); got != want {
			t.Errorf("%v: Max-Age=%s, want %s", life, got, want)
		}
	}
}
