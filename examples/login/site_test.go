package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/store"
)

var errNotThere = store.ErrNotFound

func TestHeaders(t *testing.T) {
	base, calls := serve(t)
	c := browser(t, base)
	check := func(a *answer) {
		t.Helper()
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Vary": "Accept",
		} {
			if got := strings.Join(a.Header[http.CanonicalHeaderKey(name)], ", "); !strings.Contains(got, want) {
				t.Errorf("%s %s: %s is %q, want %q", a.Request.Method, a.Request.URL.Path, name, got, want)
			}
		}
	}
	check(c.get("/"))
	check(c.get("/welcome"))
	check(c.login("alice", "wonderland"))
	for _, path := range []string{"/", "/auth/login", "/welcome", "/devices", "/account"} {
		a := c.get(path)
		check(a)
		if !strings.Contains(strings.Join(a.Header["Vary"], ", "), "Cookie") || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %v", path, a.Header)
		}
		for _, inline := range []string{"<script", "<style", " style=", " onclick"} { // the policy forbids it
			if strings.Contains(a.body, inline) {
				t.Errorf("%s has %s", path, inline)
			}
		}
	}
	check(c.get("/nothing-here"))

	before := calls.Calls("")
	for path, kind := range map[string]string{"/static/style.css": "text/css; charset=utf-8", "/static/icon.svg": "image/svg+xml"} {
		a := c.get(path)
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != kind || strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
	}
	for _, path := range []string{"/static/", "/static/nix", "/favicon.ico", "/devices/", "/auth"} {
		check(c.get(path))
		c.get(path).want(t, 404, "There is no such page.")
		if a := c.look(path); a.StatusCode != 404 || a.body != "{\"error\":\"There is no such page.\"}\n" {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if n := calls.Calls("") - before; n != 0 {
		t.Errorf("what is the same for everybody made %d calls of the store", n)
	}
}

func TestMethods(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	c.get("/")
	for path, allowed := range map[string]string{
		"/": "GET, HEAD", "/welcome": "GET, HEAD", "/devices": "GET, HEAD", "/account": "GET, HEAD", "/auth/login": "GET, HEAD, POST",
		"/auth/logout": "POST", "/devices/end": "POST", "/devices/end-others": "POST",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if strings.Contains(allowed, method) {
				continue
			}
			if a := c.do(method, path, nil); a.StatusCode != 405 || a.Header.Get("Allow") != allowed {
				t.Errorf("%s %s: %d, allowed %q", method, path, a.StatusCode, a.Header.Get("Allow"))
			}
		}
	}
	c.do("HEAD", "/", nil).want(t, 200, "")
	c.look("/").shows(t, "", 2) // it was none
}

func TestForms(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	big := url.Values{"username": {"alice"}, "password": {strings.Repeat("x", maxBody)}}
	c.post("/auth/login", big).want(t, http.StatusRequestEntityTooLarge, "The form is too large.")
	c.post("/auth/login", url.Values{}, "Content-Type: application/json").want(t, http.StatusUnsupportedMediaType, "This is not a form.")
	r, _ := http.NewRequestWithContext(t.Context(), "POST", base+"/auth/login", strings.NewReader("username=%zz&password=a;b"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("a broken form: status %d", res.StatusCode)
	}
}

// A form on a page of another site is refused, also one that logs somebody in.
func TestOtherSites(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	c.login("alice", "wonderland")
	for _, path := range []string{"/auth/login", "/auth/logout", "/devices/end", "/devices/end-others"} {
		f := url.Values{"username": {"bob"}, "password": {"builder"}}
		for _, h := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
			c.post(path, f, h).want(t, 403, "another site")
			if a := c.post(path, f, h, asJSON); a.StatusCode != 403 || a.view.Error == "" {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	}
	c.look("/").shows(t, "alice", 1)
}

// A store that is down is not "nobody": who is logged in is so when it is back.
func TestStoreDown(t *testing.T) {
	base, calls := serve(t)
	c := browser(t, base)
	c.login("alice", "wonderland")
	id := c.id()
	alice := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	for what, ask := range map[string]func(headers ...string) *answer{
		"home":   func(h ...string) *answer { return c.do("GET", "/", nil, h...) },
		"page":   func(h ...string) *answer { return c.do("GET", "/welcome", nil, h...) },
		"list":   func(h ...string) *answer { return c.do("GET", "/devices", nil, h...) },
		"login":  func(h ...string) *answer { return c.post("/auth/login", alice, h...) },
		"logout": func(h ...string) *answer { return c.post("/auth/logout", nil, h...) },
		"end":    func(h ...string) *answer { return c.post("/devices/end", url.Values{"handle": {"x"}}, h...) },
		"others": func(h ...string) *answer { return c.post("/devices/end-others", nil, h...) },
	} {
		undo := calls.Fail(faulty.Fault{Kind: faulty.Before})
		a := ask()
		a.want(t, 503, "We cannot look up who you are at the moment.")
		if len(a.Header["Set-Cookie"]) > 0 || a.Header.Get("Location") != "" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", what, a.Header)
		}
		if a := ask(asJSON); a.StatusCode != 503 || a.view.Error == "" {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
		if undo() == 0 {
			t.Errorf("%s: the fault never struck", what)
		}
	}
	// The listing alone, and the save alone.
	undo := calls.Fail(faulty.Fault{Kind: faulty.Before, Verb: faulty.List})
	c.get("/devices").want(t, 503, "")
	if undo() == 0 {
		t.Error("the fault never struck")
	}
	undo = calls.Fail(faulty.Fault{Kind: faulty.Before, Verb: faulty.Update})
	c.get("/").want(t, 503, "")
	c.post("/auth/login", alice).want(t, 503, "")
	if undo() == 0 {
		t.Error("the fault never struck")
	}
	if c.id() != id {
		t.Error("the cookie has changed")
	}
	if a := c.look("/welcome"); a.User != "alice" {
		t.Errorf("the store is back: %s", a.body)
	}
}
