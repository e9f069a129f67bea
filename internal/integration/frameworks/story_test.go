package frameworks_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

var visits = session.NewKey[int]("visits")

// What the sites do, by the context alone.

func visit(ctx context.Context) (string, error) {
	s, err := session.From(ctx)
	if err != nil {
		return "", err
	}
	n, err := visits.Update(s, func(n int) int { return n + 1 })
	return fmt.Sprintf("visit %d of %q", n, s.Owner()), err
}

func login(ctx context.Context) error {
	s, err := session.From(ctx)
	if err != nil {
		return err
	}
	return s.SetOwner("alice")
}

func logout(ctx context.Context) error {
	s, err := session.From(ctx)
	if err != nil {
		return err
	}
	return s.Destroy()
}

// site is a server with a login: GET on each of the paths is a visit, and POST to /login
// and /logout are what they are called.
type site struct {
	t   *testing.T
	srv *httptest.Server
	m   *session.Manager

	mu     sync.Mutex
	events []session.Event
}

func newSite(t *testing.T, routes func(m *session.Manager) http.Handler) *site {
	t.Helper()
	x := &site{t: t}
	m, err := session.New(memory.New(nil), &session.Options{Events: func(_ context.Context, e session.Event) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.events = append(x.events, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	x.m = m
	x.srv = httptest.NewTLSServer(routes(m))
	t.Cleanup(x.srv.Close)
	return x
}

func (x *site) told(kind session.Kind) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// browser keeps the cookies, as a browser does.
func (x *site) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return &http.Client{Transport: x.srv.Client().Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (x *site) cookie(b *http.Client) string {
	u, err := url.Parse(x.srv.URL)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		return c.Value
	}
	return ""
}

// copied is another browser with the same cookie.
func (x *site) copied(b *http.Client) *http.Client {
	u, _ := url.Parse(x.srv.URL)
	c := x.browser()
	c.Jar.SetCookies(u, b.Jar.Cookies(u))
	return c
}

func (x *site) ask(b *http.Client, method, path string) string {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.srv.URL+path, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	res, err := b.Do(r)
	if err != nil {
		x.t.Errorf("%s %s: %v", method, path, err)
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 400 {
		x.t.Errorf("%s %s: status %d, %v: %s", method, path, res.StatusCode, err, text)
	}
	return res.Header.Get("Location") + string(text)
}

// wants asks for a page and wants a text in the answer.
func (x *site) wants(b *http.Client, path, text string) {
	x.t.Helper()
	if got := x.ask(b, http.MethodGet, path); !strings.Contains(got, text) {
		x.t.Errorf("%s: %q, want %q in it", path, got, text)
	}
}

// story is what each site goes through: a visitor, a login, clicks at once, a logout. The
// cookie arrives with each kind of answer.
func (x *site) story(paths ...string) {
	x.t.Helper()
	for _, path := range paths {
		first := x.browser()
		x.wants(first, path, `visit 1 of ""`)
		if x.cookie(first) == "" {
			x.t.Errorf("%s: no cookie has arrived", path)
		}
		x.wants(first, path, `visit 2 of ""`)
	}
	b := x.browser()
	x.wants(b, paths[0], `visit 1 of ""`)
	before := x.copied(b)
	x.ask(b, http.MethodPost, "/login")
	if x.cookie(b) == x.cookie(before) {
		x.t.Error("the login has not changed the id")
	}
	x.wants(b, paths[0], `visit 2 of "alice"`)
	x.wants(before, paths[0], `visit 1 of ""`)

	var clicks sync.WaitGroup
	for i := range 20 {
		clicks.Go(func() { x.ask(b, http.MethodGet, paths[i%len(paths)]) })
	}
	clicks.Wait()
	x.wants(b, paths[0], `visit 23 of "alice"`)

	stolen := x.copied(b)
	x.ask(b, http.MethodPost, "/logout")
	if x.cookie(b) != "" {
		x.t.Error("the logout has not cleared the cookie")
	}
	x.wants(stolen, paths[0], `visit 1 of ""`)
	x.wants(b, paths[0], `visit 1 of ""`)
	if n := x.told(session.Bypassed); n != 0 {
		x.t.Errorf("%d answers went past the manager", n)
	}
}
