package frameworks_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/session"
)

// forgetful is a site whose every page says that it may be kept, without a thought of the
// session that it depends on.
func forgetful(_ *testing.T, sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	page := func(path string, words func(s *session.Session) string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("Vary", "Accept-Encoding")
			s, err := session.From(r.Context())
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			_, _ = io.WriteString(w, words(s))
		})
	}
	page("/name", func(s *session.Session) string { return fmt.Sprintf("you are %q", s.Owner()) })
	page("/count", words)
	page("/logout", func(s *session.Session) string { return fmt.Sprint(s.Destroy()) })
	mux.HandleFunc("GET /public", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, "public")
	})
	mux.HandleFunc("POST /login/{name}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.SetOwner(r.PathValue("name"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return sessions.Handler(mux)
}

// newCachedSite is a site behind a reverse proxy that keeps what it may.
func newCachedSite(t *testing.T) (*site, *sharedCache) {
	t.Helper()
	x := newSite(t, forgetful, http1)
	proxy := proxyTo(t, x.srv)
	cache := &sharedCache{next: proxy.Transport, now: time.Now, kept: map[string][]kept{}}
	proxy.Transport = cache
	x.srv = serve(t, proxy, http1)
	return x, cache
}

// cached asks for a page and reports whether it came from the cache.
func (x *site) cached(b *http.Client, path, text string) bool {
	x.t.Helper()
	res, err := x.do(b, http.MethodGet, path)
	if err != nil {
		x.t.Error(err)
		return false
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || string(got) != text {
		x.t.Errorf("%s: %q, %v, want %q", path, got, err, text)
	}
	return res.Header.Get(hit) != ""
}

// Pages that thoughtlessly allow to be kept are not shown to another user, and no answer
// that has a cookie is kept at all (SEC-12, CVE-2023-30861).
func TestCachingProxy(t *testing.T) {
	x, cache := newCachedSite(t)
	if x.cached(x.browser(), "/public", "public") || !x.cached(x.browser(), "/public", "public") {
		t.Fatal("the cache keeps nothing")
	}

	// People without a cookie are the same to a cache. The first one's must not be the
	// others' too.
	ids := map[string]bool{}
	for range 3 {
		b := x.browser()
		if x.cached(b, "/count", says(1, "")) {
			t.Error("an answer with a cookie came from the cache")
		}
		ids[x.cookie(b)] = true
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("3 visitors have %d ids", len(ids))
	}

	people := map[string]*http.Client{"alice": x.browser(), "bob": x.browser()}
	for name, b := range people {
		x.wants(b, post("/login/"+name), "")
	}
	var all sync.WaitGroup
	for range 10 {
		for name, b := range people {
			all.Go(func() { x.cached(b, "/name", fmt.Sprintf("you are %q", name)) })
		}
		all.Go(func() { x.cached(x.browser(), "/name", `you are ""`) })
	}
	all.Wait()
	for name, b := range people {
		if !x.cached(b, "/name", fmt.Sprintf("you are %q", name)) {
			t.Errorf("%s's page was not kept for %s, whom the handler has allowed it", name, name)
		}
	}

	// Whoever logs out has no cookie any more, and so another page. With the old cookie a
	// cache gives what the handler has allowed it to keep: that is why the package's
	// documentation asks handlers for no-store. The site itself knows nobody by it.
	old := x.copied(people["alice"])
	x.wants(people["alice"], get("/logout"), "<nil>")
	x.cached(people["alice"], "/name", `you are ""`)
	if !x.cached(old, "/name", `you are "alice"`) {
		t.Error("the site has answered to a cookie of before the logout")
	}
	x.cached(old, "/count", says(1, ""))
	x.wants(people["bob"], get("/logout"), "<nil>")
	if x.cookie(people["bob"]) != "" {
		t.Error("the logout came from the cache")
	}
	cache.wantNoCookies(t)
}

func (c *sharedCache) wantNoCookies(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for url, all := range c.kept {
		for _, k := range all {
			if k.header.Get("Set-Cookie") != "" {
				t.Errorf("%s was kept with a cookie", url)
			}
		}
	}
}
