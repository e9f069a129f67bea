package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

var (
	ctx    = context.Background()
	visits = session.NewKey[int]("visits")
	name   = session.NewKey[string]("name")
)

// site is a manager over a store that counts calls and can be made to fail.
type site struct {
	t       *testing.T
	store   *faulty.Store
	manager *session.Manager

	mu     sync.Mutex
	events []session.Event
}

func newSite(t *testing.T, opts session.Options) *site {
	t.Helper()
	return newSiteOn(t, memory.New(nil), opts)
}

// newSiteOn is a site on a store that others may have too, as processes do.
func newSiteOn(t *testing.T, shared store.Store, opts session.Options) *site {
	t.Helper()
	st := &site{t: t, store: faulty.New(shared)}
	opts.Events = func(_ context.Context, e session.Event) {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.events = append(st.events, e)
	}
	m, err := session.New(st.store, &opts)
	if err != nil {
		t.Fatal(err)
	}
	st.manager = m
	return st
}

// told are the events since it was last called.
func (st *site) told() (kinds []session.Kind) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, e := range st.events {
		if e.Kind != session.Insecure { // all that do not come over TLS, see TestSEC29Insecure
			kinds = append(kinds, e.Kind)
		}
	}
	st.events = nil
	return kinds
}

func (st *site) sessions() int {
	st.t.Helper()
	n, err := store.Count(ctx, st.store)
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

// browser keeps one cookie.
type browser struct {
	*site
	cookie string // name=value; "" is none
}

func (st *site) browser() *browser { return &browser{site: st} }

// do has the handler serve a request with the browser's cookie.
func (b *browser) do(h http.HandlerFunc) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.serve(w, h)
	for _, c := range w.Result().Cookies() {
		b.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			b.cookie = ""
		}
	}
	return w
}

func (b *browser) serve(w http.ResponseWriter, h http.HandlerFunc) {
	r := httptest.NewRequest("GET", "/", nil)
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	b.manager.Handler(h).ServeHTTP(w, r)
}

// use has f use the session of a request, and wants no error.
func (b *browser) use(f func(s *session.Session) error) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(func(w http.ResponseWriter, r *http.Request) {
		b.t.Helper()
		s, err := session.From(r.Context())
		if err == nil {
			err = f(s)
		}
		if err != nil {
			b.t.Errorf("in the handler: %v", err)
		}
	})
}

// visit counts one more, and returns the count.
func (b *browser) visit() (n int) {
	b.t.Helper()
	b.use(func(s *session.Session) (err error) { n, err = visits.Update(s, plus1); return err })
	return n
}

func plus1(n int) int { return n + 1 }

// load returns the session as a handler sees it.
func load(t *testing.T, r *http.Request) *session.Session {
	t.Helper()
	s, err := session.From(r.Context())
	if err != nil {
		t.Fatalf("From: %v", err)
	}
	return s
}

// clone is another browser with the same cookie, as another tab.
func (b *browser) clone() *browser { return &browser{b.site, b.cookie} }

func (b *browser) value() string {
	_, v, _ := strings.Cut(b.cookie, "=")
	return v
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// exit is a handler that has f use the session; a nil f wants it to be corrupt.
func exit(t *testing.T, f func(s *session.Session) error) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if f == nil {
			wantErr(t, "From", err, store.ErrCorrupt)
			return
		}
		if err == nil {
			err = f(s)
		}
		if err != nil {
			t.Errorf("in the handler: %v", err)
		}
	}
}

// alive reports whether the browser's cookie is a session, and whose. It changes nothing.
func (b *browser) alive() (alive bool, owner string) {
	b.t.Helper()
	b.clone().do(b.manager.Passive(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := load(b.t, r)
		alive, owner = !s.New(), s.Owner()
	})).ServeHTTP)
	return alive, owner
}
