package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

func TestLogin(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	a := c.get("/")
	a.want(t, 200, "You are nobody yet.")
	a.want(t, 200, "<b>alice</b> with the password <b>wonderland</b>, and <b>bob</b> with the password <b>builder</b>")
	c.look("/").shows(t, "", 2)

	a = c.get("/welcome")
	a.leads(t, "/auth/login?return=%2Fwelcome")
	a = c.get(a.Header.Get("Location"))
	a.want(t, 200, `<input type="hidden" name="return" value="/welcome">`)
	a.want(t, 200, `<output id="visits">3</output>`)
	for _, want := range []string{`autocomplete="username"`, `autocomplete="current-password"`, `<label for="username">`, `<label for="password">`, `<label for="remember">`, `<html lang="en">`} {
		a.want(t, 200, want)
	}

	c.login("alice", "wonderland", "return=/welcome").leads(t, "/welcome")
	a = c.get("/welcome")
	a.want(t, 200, `Welcome, <strong id="user">alice</strong>.`)
	a.want(t, 200, `<output id="visits">4</output>`) // it goes on
	c.look("/").shows(t, "alice", 5)
	c.get("/auth/login").want(t, 200, `You are logged in as <b id="user">alice</b>`)

	c.login("bob", "builder").leads(t, "/welcome") // without a way back, and as somebody else
	c.look("/welcome").shows(t, "bob", 7)

	c.post("/auth/logout", nil).leads(t, "/")
	if id := c.id(); id != "" {
		t.Error("the cookie is still there")
	}
	c.look("/").shows(t, "", 1)
	c.get("/welcome").leads(t, "/auth/login?return=%2Fwelcome")
	browser(t, base).post("/auth/logout", nil).leads(t, "/") // nobody may do so too
}

func TestJSON(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	for _, path := range []string{"/welcome", "/devices", "/account"} {
		if a := c.look(path); a.StatusCode != 401 || a.User != "" || a.view.Error == "" || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s of nobody: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := c.look("/auth/login?return=/devices"); a.StatusCode != 200 || a.Return != "/devices" || !strings.HasPrefix(a.body, `{"user":"","visits":1,`) {
		t.Errorf("the form: %d %s", a.StatusCode, a.body)
	}
	a := c.post("/auth/login", url.Values{"username": {"alice"}, "password": {"wonderland"}, "return": {"/devices"}}, asJSON)
	a.shows(t, "alice", 1)
	if a.Return != "/devices" || a.AuthenticatedBy != "password" || time.Since(a.AuthenticatedAt) > time.Minute {
		t.Errorf("login: %s", a.body)
	}
	for i, path := range []string{"/", "/auth/login", "/welcome", "/account", "/devices"} {
		a := c.look(path)
		if a.shows(t, "alice", 2+i); !strings.HasPrefix(a.body, `{"user":"alice","visits":`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// What browsers send is answered with the page.
	c.do("GET", "/", nil, "Accept: text/html,application/xhtml+xml,application/json;q=0.1").want(t, 200, "<!doctype html>")
	if a := c.post("/auth/logout", nil, asJSON); a.StatusCode != 200 || a.User != "" || a.Visits != 0 {
		t.Errorf("logout: %d %s", a.StatusCode, a.body)
	}
}

// Who has a wrong password learns nothing from it.
func TestRefused(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	bodies := map[string]bool{}
	for what, f := range map[string]url.Values{
		"password":    {"username": {"alice"}, "password": {"builder"}},
		"no password": {"username": {"alice"}},
		"user":        {"username": {"carol"}, "password": {"wonderland"}},
		"no user":     {"password": {"nobody's"}},
		"nobody's":    {"username": {"carol"}, "password": {"nobody's"}},
		"nothing":     {},
		"long":        {"username": {"alice"}, "password": {strings.Repeat("w", 10000)}},
		"over 72":     {"username": {"long"}, "password": {strings.Repeat("p", 73)}},
		"cyclic":      {"username": {"alice"}, "password": {"wonderland\x00wonderland"}},
		"NUL":         {"username": {"alice\x00"}, "password": {"wonderland"}},
		"case":        {"username": {"Alice"}, "password": {"wonderland"}},
		"bytes":       {"username": {"\xff\xfe"}, "password": {"\xff"}},
	} {
		a := c.post("/auth/login", f)
		if a.want(t, 401, "The user name or the password is wrong."); !strings.Contains(a.body, `name="password"`) {
			t.Errorf("%s: the form is not there again", what)
		}
		a = c.post("/auth/login", f, asJSON)
		if a.StatusCode != 401 || a.User != "" || a.view.Error == "" || len(a.Header["Set-Cookie"]) > 0 {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
		bodies[a.body] = true
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	c.login("long", strings.Repeat("p", 72))
	a := c.post("/auth/login", url.Values{"username": {`"><script>`}, "password": {"x"}, "return": {`/"><script>`}, "remember": {"on"}})
	if a.want(t, 401, `value="&#34;&gt;&lt;script&gt;"`); strings.Contains(a.body, "<script") || !strings.Contains(a.body, "checked") {
		t.Errorf("the form again:\n%s", a.body)
	}
	c.look("/").shows(t, "long", 1) // a failed login is no logout
	// A password in the address is in every log.
	c.post("/auth/login?username=bob", url.Values{"password": {"builder"}}).want(t, 401, "")
	c.post("/auth/login?password=builder", url.Values{"username": {"bob"}}).want(t, 401, "")
}

func TestReturn(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	for _, evil := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/\t/evil.example", "", "welcome"} {
		c.login("alice", "wonderland", "return="+evil).leads(t, "/welcome")
		if a := c.get("/auth/login?return=" + url.QueryEscape(evil)); strings.Contains(a.body, `name="return"`) {
			t.Errorf("the form takes %q:\n%s", evil, a.body)
		}
	}
	c.login("alice", "wonderland", "return=/devices?x=1&y=2").leads(t, "/devices?x=1&y=2")
}

// An id that was known before the login is worth nothing after it, also where the same
// user logs in again; and one that was copied is worth nothing after the logout.
func TestAnotherID(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	ids := map[string]bool{}
	note := func() {
		t.Helper()
		if id := c.id(); id == "" || ids[id] {
			t.Errorf("the id is no new one")
		}
		ids[c.id()] = true
	}
	c.get("/")
	note()
	c.login("alice", "wonderland")
	note()
	c.login("alice", "wonderland")
	note()
	c.login("bob", "builder")
	note()
	c.look("/").shows(t, "bob", 2)
	c.post("/auth/logout", nil)
	for id := range ids {
		thief := browser(t, base)
		if a := thief.do("GET", "/welcome", nil, asJSON, "Cookie: __Host-Http-session="+id); a.StatusCode != 401 {
			t.Errorf("an old id: %d %s", a.StatusCode, a.body)
		}
	}
}

func TestRemember(t *testing.T) {
	base, _ := serve(t)
	c := browser(t, base)
	cookie := func(a *answer) string { return strings.Join(a.Header["Set-Cookie"], "\n") }
	if line := cookie(c.login("alice", "wonderland")); !strings.HasPrefix(line, "__Host-Http-session=") || !strings.HasSuffix(line, "; Path=/; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("cookie: %s", line)
	}
	if left := time.Until(c.look("/").Ends); left > 24*time.Hour || left < 23*time.Hour {
		t.Errorf("it ends in %v, want 24 hours", left)
	}
	if line := cookie(c.login("alice", "wonderland", "remember=on")); !strings.Contains(line, "Max-Age=2591999") && !strings.Contains(line, "Max-Age=2592000") {
		t.Errorf("remembered: %s", line)
	}
	a := c.look("/account")
	if left := time.Until(a.Ends); !a.Remembered || left > 30*24*time.Hour || left < 30*24*time.Hour-time.Hour {
		t.Errorf("it ends in %v, want 30 days: %s", left, a.body)
	}
	c.get("/auth/login").want(t, 200, " checked") // who logs in again stays so
	if line := cookie(c.login("alice", "wonderland", "remember=0")); strings.Contains(line, "Max-Age") {
		t.Errorf("no more: %s", line)
	}
	if a = c.look("/account"); a.Remembered || time.Until(a.Ends) > 24*time.Hour {
		t.Errorf("no more: %s", a.body)
	}
}

// The account wants a login of the last five minutes.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, _ := open(t)
		c := sessiontest.NewClient(h)
		want := func(code int, location string) {
			t.Helper()
			if w := c.Get("/account"); w.Code != code || w.Header().Get("Location") != location {
				t.Errorf("status %d to %q, want %d to %q", w.Code, w.Header().Get("Location"), code, location)
			}
		}
		alice := url.Values{"username": {"alice"}, "password": {"wonderland"}, "return": {"/account"}}
		const login = "/auth/login?return=%2Faccount"
		want(303, login)
		c.PostForm("/auth/login", alice)
		want(200, "")
		time.Sleep(5 * time.Minute)
		want(200, "")
		time.Sleep(time.Second)
		want(303, login)
		if w := c.Get(login); !strings.Contains(w.Body.String(), "Is it you, alice?") {
			t.Errorf("the login: %s", w.Body)
		}
		if w := c.Get("/welcome"); w.Code != 200 {
			t.Errorf("the other pages: %d", w.Code)
		}
		c.PostForm("/auth/login", alice)
		want(200, "")
	})
}

// A session that is ended while its user proves who they are: they are asked once more.
func TestEndedMeanwhile(t *testing.T) {
	base, calls := serve(t)
	c, other := browser(t, base), browser(t, base)
	other.login("alice", "wonderland")
	strike := func(ask func() *answer) *answer {
		t.Helper()
		c.login("alice", "wonderland")
		undo := calls.Fail(faulty.Fault{Kind: faulty.Before, Verb: faulty.Update, Times: 1, Err: errNotThere})
		a := ask()
		if undo() == 0 {
			t.Error("the fault never struck")
		}
		return a
	}
	alice := url.Values{"username": {"alice"}, "password": {"wonderland"}, "return": {"/account"}}
	strike(func() *answer { return c.post("/auth/login", alice) }).leads(t, "/account")
	strike(func() *answer { return c.post("/auth/login", alice, asJSON) }).want(t, http.StatusConflict, "ended meanwhile")
	strike(func() *answer { return c.get("/devices") }).leads(t, "/devices")
}
