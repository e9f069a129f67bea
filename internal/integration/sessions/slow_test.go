package sessions_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/session"
)

// late is what a slow store takes for an answer.
const late = 5 * time.Second

// REL-17: a thousand requests at a store that takes 5 s for each answer are all answered
// 503 while it still does, and keep their cookie. Those that have no cookie are answered as
// ever, while the others wait. When the store is itself again so are the sessions.
func TestREL17SlowStore(t *testing.T) {
	t.Parallel()
	slow := func(px *proxy.Proxy) func() (undo func() int) {
		return func() func() int { return px.Fail(proxy.Fault{Kind: proxy.Latency, Delay: late}) }
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		p := inMemory()
		s := faulty.New(p.store)
		p.store = s
		slowStore(t, p, func() func() int { return s.Fail(faulty.Fault{Kind: faulty.Delay, Delay: late}) })
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		px := before(t)
		slowStore(t, onPostgres(t, px), slow(px))
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		px := before(t)
		slowStore(t, onRedis(t, px), slow(px))
	})
}

func slowStore(t *testing.T, p *place, slow func() (undo func() int)) {
	const requests, timeout = 1000, time.Second
	s := faulty.New(p.store)
	var waiting atomic.Int32
	srv := page(t, s, session.Options{Timeout: timeout}, func(s *session.Session) error {
		if s.New() {
			return nil
		}
		_, err := visits.Update(s, func(n int) int { return n + 1 })
		return err
	})
	begin := page(t, s, session.Options{Timeout: patience}, func(s *session.Session) error { return visits.Set(s, 1) })
	var tabs []*tab
	for range 20 {
		b := &tab{}
		b.fine(t, begin.URL)
		tabs = append(tabs, b)
	}

	undo := slow()
	defer undo() // or what waits when this fails would wait on
	done := make(chan struct{})
	go func() {
		defer close(done)
		atOnce(requests, func(i int) {
			b := *tabs[i%len(tabs)]
			waiting.Add(1)
			code, err := b.get(t.Context(), srv.URL)
			waiting.Add(-1)
			if code != http.StatusServiceUnavailable || err != nil {
				t.Errorf("with a cookie: %d, %v, want 503", code, err)
			}
			if b.cookie != tabs[i%len(tabs)].cookie {
				t.Error("the answer has changed the cookie")
			}
		})
	}()
	for s.Calls(faulty.Load) == 0 {
		time.Sleep(time.Millisecond)
	}
	// Nothing that they do may ask the store, so they need not be quick to show that they
	// do not wait for it.
	most := time.Duration(0)
	for range 100 {
		began := time.Now()
		(&tab{}).fine(t, srv.URL)
		most = max(most, time.Since(began))
	}
	still := waiting.Load()
	began := time.Now()
	select {
	case <-done:
	case <-time.After(4 * late):
		t.Fatalf("%v later %d requests still wait, their time is %v", 4*late, waiting.Load(), timeout)
	}
	t.Logf("without a cookie at most %v, when %d others were waiting; the last of those %v after that", most, still, time.Since(began))
	if n := s.Calls(faulty.Load); n != requests {
		t.Errorf("%d loads, want one by each of %d requests that have a cookie", n, requests)
	}
	if undo() == 0 {
		t.Error("the store was not slow")
	}
	for _, b := range tabs {
		old := b.cookie
		for code := 0; code != http.StatusOK; { // connections that the fault has cost are made anew
			var err error
			if code, err = b.get(t.Context(), begin.URL); err != nil || code != http.StatusOK && code != http.StatusServiceUnavailable {
				t.Fatal(errors.Join(err, status(code)))
			}
		}
		if b.cookie != old {
			t.Error("the session of before is lost")
		}
	}
}

// before is a proxy that a place is reached through.
func before(t *testing.T) *proxy.Proxy {
	t.Helper()
	px, err := proxy.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := px.Close(); err != nil {
			t.Error(err)
		}
	})
	return px
}
