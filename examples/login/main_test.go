package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// quick are the same people with hashes that cost little.
var quick = func() users {
	u := users{}
	for name, password := range map[string]string{"": "nobody's", "alice": "wonderland", "bob": "builder", "long": strings.Repeat("p", 72)} {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			panic(err)
		}
		u[name] = string(hash)
	}
	return u
}()

// open makes the site over a new store.
func open(t *testing.T) (http.Handler, *session.Manager, *faulty.Store) {
	t.Helper()
	s := faulty.New(memory.New(nil))
	sessions, err := session.New(s, &session.Options{OnError: unavailable})
	if err != nil {
		t.Fatal(err)
	}
	return site(sessions, quick), sessions, s
}

// serve runs it.
func serve(t *testing.T) (base string, calls *faulty.Store) {
	t.Helper()
	h, _, calls := open(t)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// client is a browser: it keeps its cookies, but shows a redirect as it is.
type client struct {
	*http.Client
	t     *testing.T
	base  string
	agent string
}

func browser(t *testing.T, base string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	last := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{&http.Client{Jar: jar, CheckRedirect: last}, t, base, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
}

type answer struct {
	*http.Response
	body string
	view // of JSON
}

// do asks with the given headers, "Name: value".
func (c *client) do(method, path string, form url.Values, headers ...string) *answer {
	c.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("User-Agent", c.agent)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := c.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := &answer{Response: res, body: string(b)}
	if res.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(b, &a.view); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return a
}

const asJSON = "Accept: application/json"

// get is a page as people see it, and look one as programs do.
func (c *client) get(path string) *answer  { c.t.Helper(); return c.do("GET", path, nil) }
func (c *client) look(path string) *answer { c.t.Helper(); return c.do("GET", path, nil, asJSON) }

func (c *client) post(path string, form url.Values, headers ...string) *answer {
	c.t.Helper()
	return c.do("POST", path, form, headers...)
}

// login wants it to work.
func (c *client) login(name, password string, more ...string) *answer {
	c.t.Helper()
	form := url.Values{"username": {name}, "password": {password}}
	for _, m := range more {
		k, v, _ := strings.Cut(m, "=")
		form.Set(k, v)
	}
	a := c.post("/auth/login", form)
	a.want(c.t, http.StatusSeeOther, "")
	return a
}

// id is the cookie's value.
func (c *client) id() string {
	u, _ := url.Parse(c.base)
	for _, k := range c.Jar.Cookies(u) {
		return k.Value
	}
	return ""
}

func (a *answer) want(t *testing.T, code int, text string) {
	t.Helper()
	if a.StatusCode != code || !strings.Contains(a.body, text) {
		t.Errorf("%s %s: status %d, want %d with %q:\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, code, text, a.body)
	}
}

func (a *answer) leads(t *testing.T, to string) {
	t.Helper()
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != to {
		t.Errorf("%s %s: status %d to %q, want 303 to %q", a.Request.Method, a.Request.URL.Path, a.StatusCode, got, to)
	}
}

func (a *answer) shows(t *testing.T, user string, visits int) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.User != user || a.Visits != visits {
		t.Errorf("%s %s: status %d, user %q, visit %d, want 200, %q, %d", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.User, a.view.Visits, user, visits)
	}
}

func TestRunStopsCleanly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- run(ctx, "127.0.0.1:0", "memory:") }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
	for url, want := range map[string]string{"nosql://:s3cret@h/": "no opener for nosql:", "memory": "begins with a scheme"} {
		if err := run(t.Context(), "127.0.0.1:0", url); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
	if err := run(t.Context(), "127.0.0.1:99999", "memory:"); err == nil {
		t.Error("listening on no port there is")
	}
}

// The hashes in the file are those of the passwords that the page names, and all cost
// the same.
func TestPeople(t *testing.T) {
	for name, password := range map[string]string{"alice": "wonderland", "bob": "builder"} {
		if !people.check(name, password) || people.check(name, password+"x") {
			t.Errorf("%s cannot log in, or anybody can", name)
		}
	}
	for name, hash := range people {
		if cost, err := bcrypt.Cost([]byte(hash)); cost != bcrypt.DefaultCost || err != nil {
			t.Errorf("%q: cost %d, %v", name, cost, err)
		}
	}
}

// The log has the events, but nobody's id, password, or what was typed as a name.
func TestLog(t *testing.T) {
	var logged bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	sessions, err := session.New(memory.New(nil), &session.Options{Events: session.Log(slog.Default()), OnError: unavailable})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(site(sessions, quick))
	defer srv.Close()
	c := browser(t, srv.URL)
	c.get("/")
	first := c.id()
	c.post("/auth/login", url.Values{"username": {"wonderland"}, "password": {"s3cret"}})
	c.login("alice", "wonderland")
	second := c.id()
	c.post("/auth/logout", nil)
	for _, want := range []string{"session created", "login refused", "session renewed", "session ended"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, &logged)
		}
	}
	for _, secret := range []string{first, second, "wonderland", "s3cret", "alice"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, &logged)
		}
	}
}
