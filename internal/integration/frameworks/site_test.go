package frameworks_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

var visits = session.NewKey[int]("visits")

func plusOne(n int) int { return n + 1 }

// words counts the visit and says whose it is. The story finds out if it did not count.
func words(s *session.Session) string {
	n, err := visits.Update(s, plusOne)
	if err != nil {
		return err.Error()
	}
	return says(n, s.Owner())
}

// What the sites do, by the context alone.

func visit(ctx context.Context) (string, error) {
	s, err := session.From(ctx)
	if err != nil {
		return "", err
	}
	n, err := visits.Update(s, plusOne)
	return says(n, s.Owner()), err
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

// site is a server over TLS, as the cookie wants it, on a store that can be made to fail.
type site struct {
	t     *testing.T
	m     *session.Manager
	store *faulty.Store
	srv   *httptest.Server

	mu     sync.Mutex
	events []session.Kind
}

// The protocols that a site may speak.
const (
	http1 = false
	http2 = true
)

func newSite(t *testing.T, routes func(*testing.T, *session.Manager) http.Handler, protocol bool) *site {
	t.Helper()
	x := &site{t: t, store: faulty.New(memory.New(nil))}
	m, err := session.New(x.store, &session.Options{Events: func(_ context.Context, e session.Event) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.events = append(x.events, e.Kind)
	}})
	if err != nil {
		t.Fatal(err)
	}
	x.m = m
	x.srv = serve(t, routes(t, m), protocol)
	return x
}

func serve(t *testing.T, h http.Handler, protocol bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = protocol
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func (x *site) told(kind session.Kind) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range x.events {
		if k == kind {
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

func (x *site) url() *url.URL {
	u, err := url.Parse(x.srv.URL)
	if err != nil {
		x.t.Fatal(err)
	}
	return u
}

// cookie is the browser's id; "" is none.
func (x *site) cookie(b *http.Client) string {
	for _, c := range b.Jar.Cookies(x.url()) {
		if strings.HasSuffix(c.Name, "session") {
			return c.Value
		}
	}
	return ""
}

// copied is another browser with the same cookies.
func (x *site) copied(b *http.Client) *http.Client {
	c := x.browser()
	c.Jar.SetCookies(x.url(), b.Jar.Cookies(x.url()))
	return c
}

// page is one way to ask. The error is a refused where the answer was one.
type page interface {
	ask(x *site, b *http.Client) (text string, err error)
	String() string
}

// refused is the status of an answer that is an error.
type refused int

func (status refused) Error() string { return "status " + strconv.Itoa(int(status)) }

// wants asks for a page and wants a text in the answer.
func (x *site) wants(b *http.Client, p page, text string) {
	x.t.Helper()
	if got, err := p.ask(x, b); err != nil || !strings.Contains(got, text) {
		x.t.Errorf("%s: %q, %v, want %q in it", p, got, err, text)
	}
}

// do asks for a path and returns the answer, which ends with the test.
func (x *site) do(b *http.Client, method, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.srv.URL+path, nil)
	if err != nil {
		return nil, err
	}
	return b.Do(r)
}

type request struct{ method, path string }

func get(path string) page  { return request{http.MethodGet, path} }
func post(path string) page { return request{http.MethodPost, path} }

func (p request) String() string { return p.method + " " + p.path }

// ask returns the place where a redirect leads and the body.
func (p request) ask(x *site, b *http.Client) (string, error) {
	res, err := x.do(b, p.method, p.path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 {
		err = refused(res.StatusCode)
	}
	return res.Header.Get("Location") + string(body), err
}
