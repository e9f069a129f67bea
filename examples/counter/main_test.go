package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// serve runs the counter over a new store.
func serve(t *testing.T) (url string, calls *faulty.Store) {
	t.Helper()
	s := faulty.New(memory.New(nil))
	sessions, err := session.New(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler(sessions))
	t.Cleanup(srv.Close)
	return srv.URL, s
}

type client struct {
	*http.Client
	t   *testing.T
	url string
}

func browser(t *testing.T, url string) client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return client{&http.Client{Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 200}}, t, url}
}

func (c client) do(method, path string, header http.Header) (status int, body string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
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
	return res.StatusCode, string(b)
}

var wantJSON = http.Header{"Accept": {"application/json"}}

func (c client) visit() state {
	c.t.Helper()
	status, body := c.do("GET", "/", wantJSON)
	var st state
	if err := json.Unmarshal([]byte(body), &st); status != 200 || err != nil {
		c.t.Fatalf("status %d, %v: %s", status, err, body)
	}
	return st
}

func TestCounter(t *testing.T) {
	url, _ := serve(t)
	a, b := browser(t, url), browser(t, url)
	for want := 1; want <= 3; want++ {
		if got := a.visit(); got.Visits != want || time.Since(got.Began) > time.Minute || got.Left != "24h0m" {
			t.Errorf("%+v, want visit %d", got, want)
		}
	}
	if got := b.visit(); got.Visits != 1 {
		t.Errorf("the other browser: %+v", got)
	}
	status, body := a.do("GET", "/", nil)
	if status != 200 || !regexp.MustCompile(`<output id="visits">4</output>`).MatchString(body) {
		t.Errorf("status %d, page:\n%s", status, body)
	}
	if status, body = a.do("POST", "/end", nil); status != 200 || !strings.Contains(body, `<output id="visits">1</output>`) {
		t.Errorf("after the end: status %d, page:\n%s", status, body)
	}
	if status, _ = a.do("POST", "/end", http.Header{"Sec-Fetch-Site": {"cross-site"}}); status != 403 {
		t.Errorf("another site ends a session: status %d", status)
	}
	if status, _ = a.do("GET", "/favicon.ico", nil); status != 404 {
		t.Errorf("favicon: status %d", status)
	}
	if got := a.visit(); got.Visits != 2 {
		t.Errorf("at last: %+v, want visit 2", got)
	}
	again, _ := serve(t)
	a.url = again
	if got := a.visit(); got.Visits != 1 {
		t.Errorf("after a restart: %+v, want visit 1", got)
	}
}

func TestAllOfManyAtOnceCount(t *testing.T) {
	url, _ := serve(t)
	c := browser(t, url)
	c.visit()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { c.visit() })
	}
	wg.Wait()
	if got := c.visit(); got.Visits != 202 {
		t.Errorf("visit %d, want 202", got.Visits)
	}
}

func TestForeignCookies(t *testing.T) {
	var logged bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&logged)
	base, calls := serve(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	own := browser(t, base)
	own.visit()
	id := own.Jar.Cookies(u)[0].Value
	forged := strings.Repeat("M", 43)
	for what, value := range map[string]string{
		"truncated": id[:42], "1 MB": strings.Repeat("x", 900<<10), "foreign": "s%3AgRW3ojSgsgpW0riDG87vKfA8IXZpn6Gl.Gtfd4m2E", "injected": "' OR 1=1--",
		"forged": forged,
	} {
		before := calls.Calls("")
		status, body := client{&http.Client{}, t, base}.do("GET", "/", http.Header{"Cookie": {"__Host-Http-session=" + value}, "Accept": {"application/json"}})
		want := 1 // Create
		if what == "forged" {
			want = 2 // an id that looks right must be asked for
		}
		if n := calls.Calls("") - before; status != 200 || !strings.Contains(body, `"visits":1,`) || n != want {
			t.Errorf("%s: status %d, %d store calls, %s", what, status, n, body)
		}
	}
	for _, secret := range []string{id[:20], forged, "OR 1=1", "gRW3oj", "xxxxxxxx"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log holds %q of a cookie:\n%s", secret, &logged)
		}
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
	for url, want := range map[string]string{
		"nosql://:s3cret@h/": "no opener for nosql:", "memory:?max=1": "unknown parameter", "memory": "begins with a scheme",
	} {
		if err := run(t.Context(), "127.0.0.1:0", url); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
	if err := run(t.Context(), "127.0.0.1:99999", "memory:"); err == nil {
		t.Error("listening on no port there is")
	}
}

// The page says what is left of the session, not of the day.
func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions, err := session.New(memory.New(nil), &session.Options{Absolute: 90 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler(sessions).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if !strings.Contains(w.Body.String(), "<dd>1h30m</dd>") {
			t.Errorf("page:\n%s", w.Body)
		}
	})
}
