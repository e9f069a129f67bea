package redis_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/session"
)

// REL-17: a store that is slow holds a request no longer than session.Options.Timeout, and
// who has no session is not held at all.
func TestSlowStore(t *testing.T) {
	const requests = 1000
	x := newSpace(t, shared.URL(t))
	p, c := x.behind(t)
	m, err := session.New(x.open(t, c), &session.Options{Cookie: session.Cookie{PlainHTTP: true}})
	if err != nil {
		t.Fatal(err)
	}
	visits := session.NewKey[int]("visits")
	site := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			m.Error(w, r, err)
			return
		}
		if r.Method == http.MethodPost {
			if _, err := visits.Update(s, func(n int) int { return n + 1 }); err != nil {
				m.Error(w, r, err)
				return
			}
		}
		fmt.Fprint(w, visits.Get(s))
	})))
	defer site.Close()
	get := func(method string, cookie *http.Cookie) (status int, text string, given *http.Cookie, took time.Duration) {
		r, err := http.NewRequestWithContext(t.Context(), method, site.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if cookie != nil {
			r.AddCookie(cookie)
		}
		began := time.Now()
		res, err := site.Client().Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		for _, c := range res.Cookies() {
			given = c
		}
		return res.StatusCode, string(body), given, time.Since(began)
	}
	status, _, cookie, _ := get(http.MethodPost, nil)
	if status != http.StatusOK || cookie == nil {
		t.Fatalf("the first request: status %d, cookie %v", status, cookie)
	}

	undo := p.Fail(proxy.Fault{Kind: proxy.Latency, Delay: 5 * time.Second})
	var mu sync.Mutex
	var held, free time.Duration
	one := func(method string, cookie *http.Cookie, want int, longest *time.Duration) {
		status, text, given, took := get(method, cookie)
		mu.Lock()
		defer mu.Unlock()
		*longest = max(*longest, took)
		if status != want || given != nil {
			t.Errorf("%s: status %d, %q, cookie %v, want %d", method, status, text, given, want)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var strangers, visitors sync.WaitGroup
	passed := 0
	strangers.Go(func() {
		for ; ctx.Err() == nil; passed++ {
			one(http.MethodGet, nil, http.StatusOK, &free)
			time.Sleep(time.Millisecond) // to leave the machine to the others
		}
	})
	for n := range requests {
		visitors.Go(func() {
			method := http.MethodGet
			if n%2 == 0 {
				method = http.MethodPost
			}
			one(method, cookie, http.StatusServiceUnavailable, &held)
		})
	}
	visitors.Wait()
	stop()
	strangers.Wait()
	if undo() == 0 {
		t.Error("the fault never struck")
	}
	t.Logf("%d requests with a session were answered with 503, the last after %v; %d without one meanwhile, the slowest in %v", requests, held, passed, free)
	if held > 5*time.Second || free > 2*time.Second {
		t.Errorf("a request with a session took %v, one without %v", held, free)
	}
	if status, text, _, _ := get(http.MethodGet, cookie); status != http.StatusOK || text != "1" {
		t.Errorf("afterwards: status %d, %q, want the one visit", status, text)
	}
}
