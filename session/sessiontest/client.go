package sessiontest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sojourn-go/sojourn/session"
)

// origin is where the clients are.
const origin = "https://example.com"

// Client asks a handler at https://example.com and keeps its cookies, as a browser
// does; but each of them whatever its path and domain are, until it is cleared. It does
// not follow redirects. It may be used by several goroutines, as a browser with several
// tabs.
type Client struct {
	handler http.Handler

	mu      sync.Mutex
	cookies map[string]string
}

// NewClient returns a client without cookies. The handler is the whole one that the
// program serves, with [session.Manager.Handler] in it.
func NewClient(h http.Handler) *Client {
	return &Client{handler: h, cookies: map[string]string{}}
}

// Clone returns a client that has the cookies which c has now: what is a stolen copy
// worth after the logout?
func (c *Client) Clone() *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Client{handler: c.handler, cookies: maps.Clone(c.cookies)}
}

// Get asks for a page, by its path with or without a query.
func (c *Client) Get(target string) *httptest.ResponseRecorder {
	return c.Do(httptest.NewRequest(http.MethodGet, origin+target, nil))
}

// PostForm sends a form, as the site's own page does.
func (c *Client) PostForm(target string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, origin+target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return c.Do(r)
}

// Do has the handler serve r, with the client's cookies beside those that r has, and
// keeps the cookies of the response.
func (c *Client) Do(r *http.Request) *httptest.ResponseRecorder {
	return c.serve(c.handler, r)
}

func (c *Client) serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	c.send(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range w.Result().Cookies() {
		if k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		} else {
			c.cookies[k.Name] = k.Value
		}
	}
	return w
}

func (c *Client) send(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.cookies)) {
		r.AddCookie(&http.Cookie{Name: name, Value: c.cookies[name]})
	}
}

// Use calls f with the client's session, a new one if it has none, and saves it: to set
// a scene, or to look at what a handler has stored. It leaves the session's life as it
// is.
//
// It returns f's error, in which case nothing is saved, or that of the session or the
// store.
func (c *Client) Use(m *session.Manager, f func(s *session.Session) error) (err error) {
	h := m.Passive(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var s *session.Session
		if s, err = m.From(r.Context()); err == nil {
			err = f(s)
		}
		if err == nil {
			err = s.Save()
		}
		if err != nil {
			panic(aborted) // so that nothing is saved
		}
	}))
	defer func() {
		if p := recover(); p != nil && p != aborted {
			panic(p)
		}
	}()
	c.serve(h, httptest.NewRequest(http.MethodGet, origin, nil))
	return err
}

// aborted ends a handler without an answer.
var aborted = new(int)
