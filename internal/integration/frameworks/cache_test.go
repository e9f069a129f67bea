package frameworks_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// sharedCache is a cache as it stands in front of many users: it keeps what it may keep,
// and gives it to whom it may give it (RFC 9111, as much as is needed here).
type sharedCache struct {
	next http.RoundTripper

	mu   sync.Mutex
	kept map[string][]keptAnswer // by URL
	hits int
}

type keptAnswer struct {
	vary   http.Header // what the request had of the headers that Vary names
	header http.Header
	body   []byte
}

func (c *sharedCache) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		c.mu.Lock()
		for _, k := range c.kept[r.URL.String()] {
			if matches(k.vary, r.Header) {
				c.hits++
				c.mu.Unlock()
				return &http.Response{StatusCode: http.StatusOK, Header: k.header.Clone(), Body: io.NopCloser(bytes.NewReader(k.body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
			}
		}
		c.mu.Unlock()
	}
	res, err := c.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || res.StatusCode != http.StatusOK {
		return res, err
	}
	control := strings.ToLower(strings.Join(res.Header.Values("Cache-Control"), ","))
	if strings.Contains(control, "no-store") || strings.Contains(control, "private") || !strings.Contains(control, "max-age") {
		return res, nil
	}
	vary := http.Header{}
	for _, line := range res.Header.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if name == "*" {
				return res, nil
			}
			vary[name] = r.Header.Values(name)
		}
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[r.URL.String()] = append(c.kept[r.URL.String()], keptAnswer{vary, maps.Clone(res.Header), body})
	return res, nil
}

func matches(vary, request http.Header) bool {
	for name, want := range vary {
		if strings.Join(request.Values(name), ",") != strings.Join(want, ",") {
			return false
		}
	}
	return true
}

// Pages that a handler thoughtlessly allows to be kept are not shown to another user, and
// no answer with a cookie is kept at all (SEC-12, CVE-2023-30861).
func TestCachingProxy(t *testing.T) {
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /public", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=3600")
			_, _ = io.WriteString(w, "public")
		})
		mux.HandleFunc("GET /name", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			s, err := session.From(r.Context())
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			fmt.Fprintf(w, "you are %q", s.Owner())
		})
		mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			plain(w, r)
		})
		mux.HandleFunc("POST /login/{name}", func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); err == nil {
				_ = s.SetOwner(r.PathValue("name"))
			}
		})
		return sessions.Handler(mux)
	})
	target, err := url.Parse(x.srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	cache := &sharedCache{next: x.srv.Client().Transport, kept: map[string][]keptAnswer{}}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: cache})
	defer front.Close()
	x.srv = front

	nobody, alice, bob := x.browser(), x.browser(), x.browser()
	for range 2 {
		x.wants(nobody, "/public", "public")
	}
	if cache.hits != 1 {
		t.Fatalf("the cache has answered %d times, want once: it keeps nothing", cache.hits)
	}
	x.wants(nobody, "/count", `visit 1 of ""`) // sets a cookie
	x.ask(alice, http.MethodPost, "/login/alice")
	x.ask(bob, http.MethodPost, "/login/bob")
	for range 3 {
		x.wants(alice, "/name", `you are "alice"`)
		x.wants(bob, "/name", `you are "bob"`)
		x.wants(x.browser(), "/name", `you are ""`)
	}
	stranger := x.browser()
	x.wants(stranger, "/count", `visit 1 of ""`)
	if x.cookie(stranger) == "" || x.cookie(stranger) == x.cookie(nobody) {
		t.Error("a stranger was given somebody's cookie, or none")
	}
	for _, answers := range cache.kept {
		for _, k := range answers {
			if k.header.Get("Set-Cookie") != "" {
				t.Error("an answer with a cookie was kept")
			}
		}
	}
	if cache.hits < 5 {
		t.Errorf("the cache has answered %d times: it was not asked", cache.hits)
	}
}
