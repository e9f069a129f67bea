package frameworks_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sharedCache is a cache as it stands in front of many users: it keeps what it may keep,
// and gives it to whom it may give it. Of RFC 9111 it has what a page that lets itself be
// kept needs; what it does not know it passes on. It keeps a Set-Cookie too, since it may.
type sharedCache struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	kept map[string][]kept // by URL
}

// kept is one of the answers of a URL.
type kept struct {
	varied http.Header // what the request had of the headers that Vary names
	header http.Header
	body   []byte
	stale  time.Time
}

// hit is a header of the answers that come from the cache.
const hit = "X-From-Cache"

func (c *sharedCache) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
		return c.next.RoundTrip(r)
	}
	if k, ok := c.find(r); ok {
		h := k.header.Clone()
		h.Set(hit, "1")
		return &http.Response{
			StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(bytes.NewReader(k.body)), ContentLength: int64(len(k.body)),
			Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	}
	res, err := c.next.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	life := lifetime(res.Header)
	names, ok := varies(res.Header)
	if life <= 0 || !ok {
		return res, nil
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	k := kept{http.Header{}, res.Header.Clone(), body, c.now().Add(life)}
	for _, name := range names {
		k.varied[name] = r.Header.Values(name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[r.URL.String()] = append(c.kept[r.URL.String()], k)
	return res, nil
}

func (c *sharedCache) find(r *http.Request) (kept, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range slices.Backward(c.kept[r.URL.String()]) { // the newest that fits
		if c.now().Before(k.stale) && k.fits(r.Header) {
			return k, true
		}
	}
	return kept{}, false
}

func (k *kept) fits(h http.Header) bool {
	for name, want := range k.varied {
		if !slices.Equal(h.Values(name), want) {
			return false
		}
	}
	return true
}

// lifetime is how long a shared cache may keep an answer without asking again.
func lifetime(h http.Header) time.Duration {
	control := map[string]string{}
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		control[name] = strings.Trim(value, `"`)
	}
	for _, no := range []string{"no-store", "no-cache", "private"} {
		if _, ok := control[no]; ok {
			return 0
		}
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		if value, ok := control[name]; ok {
			n, _ := strconv.Atoi(value)
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

// varies are the headers that an answer depends on; not ok is what only the server knows.
func varies(h http.Header) (names []string, ok bool) {
	for name := range strings.SplitSeq(strings.Join(h.Values("Vary"), ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names, !slices.Contains(names, "*")
}

// The cache is one: what the pages below must not give to others it would.
func TestSharedCache(t *testing.T) {
	now := time.Now()
	asked := 0
	c := &sharedCache{now: func() time.Time { return now }, kept: map[string][]kept{}, next: answers(func(r *http.Request) http.Header {
		asked++
		h := http.Header{}
		for name, values := range r.URL.Query() {
			h[name] = values
		}
		return h
	})}
	ask := func(query string, header http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://host/?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(r.Header, header)
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	a, b := http.Header{"Cookie": {"a"}}, http.Header{"Cookie": {"b"}}
	for _, row := range []struct {
		query string
		want  int // times that the server is asked, by a, a, b and b
	}{
		{"", 4},
		{"Cache-Control=max-age%3D60", 1},
		{"Cache-Control=public,+s-maxage%3D60,+max-age%3D0&Set-Cookie=id", 1},
		{"Cache-Control=max-age%3D0", 4},
		{"Cache-Control=max-age%3D60,+private", 4},
		{"Cache-Control=max-age%3D60&Cache-Control=No-Store", 4},
		{"Cache-Control=max-age%3D60&Vary=Accept-Encoding", 1},
		{"Cache-Control=max-age%3D60&Vary=Accept-Encoding,+cookie", 2},
		{"Cache-Control=max-age%3D60&Vary=Accept-Encoding&Vary=Cookie", 2},
		{"Cache-Control=max-age%3D60&Vary=*", 4},
	} {
		asked = 0
		for _, h := range []http.Header{a, a, b, b} {
			ask(row.query, h)
		}
		if asked != row.want {
			t.Errorf("%q: the server was asked %d times, want %d", row.query, asked, row.want)
		}
	}
	asked, now = 0, now.Add(time.Minute)
	if ask("Cache-Control=max-age%3D60", a); asked != 1 {
		t.Error("what is stale was given")
	}
}

// answers is a server that answers with these headers.
type answers func(r *http.Request) http.Header

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: a(r), Body: http.NoBody, Request: r}, nil
}
