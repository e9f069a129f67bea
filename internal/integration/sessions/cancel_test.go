package sessions_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/session"
)

// connections are how many connections a pool has, and how many it has ever made: the same
// as before means that none was lost.
type connections struct {
	total     int32
	made      int64
	destroyed int64
}

func connected(pool *pgxpool.Pool) connections {
	s := pool.Stat()
	return connections{s.TotalConns(), s.NewConnsCount(), s.MaxLifetimeDestroyCount() + s.MaxIdleDestroyCount()}
}

// traced is a pool on the place's server whose connections are all open from the start.
func traced(t *testing.T, p *place, x *points) *pgxpool.Pool {
	t.Helper()
	c := p.pool.Config()
	c.MaxConns, c.ConnConfig.Tracer = 8, x
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	var all []*pgxpool.Conn
	for range c.MaxConns {
		one, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	for _, one := range all {
		one.Release()
	}
	return pool
}

// REL-19: a request that is cancelled at any point has its visit saved all the same, and the
// pool has the connections that it had. Renewals, which are several calls, too.
func TestREL19CancelledAtEachPoint(t *testing.T) {
	t.Parallel()
	p := onPostgres(t, nil)
	x := &points{at: nowhere}
	pool := traced(t, p, x)
	u, err := postgres.New(pool, p.options)
	if err != nil {
		t.Fatal(err)
	}
	x.Store = u
	m, err := session.New(x, &session.Options{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	had := connected(pool)
	renewals := map[string]func(s *session.Session) error{
		"a visit": func(*session.Session) error { return nil },
		"renewed": func(s *session.Session) error { return s.Renew(0) },
		"a login": func(s *session.Session) error { return s.SetOwner("Marie") },
	}
	for what, more := range renewals {
		for point := 0; ; point++ {
			b := &tab{}
			visit := func(ctx context.Context, more func(s *session.Session) error) (n int) {
				t.Helper()
				r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
				if b.cookie != "" {
					r.Header.Set("Cookie", b.cookie)
				}
				w := httptest.NewRecorder()
				m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					s, err := session.From(r.Context())
					if err == nil {
						n, err = visits.Update(s, func(n int) int { return n + 1 })
					}
					if err == nil {
						err = more(s)
					}
					if err != nil {
						t.Errorf("%s, cancelled at point %d: %v", what, point, err)
					}
				})).ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					t.Errorf("%s, cancelled at point %d: %d", what, point, w.Code)
				}
				b.take(w.Result())
				return n
			}
			visit(t.Context(), renewals["a visit"])
			ctx, cancel := context.WithCancel(t.Context())
			seen := 0
			x.at = func(context.Context, string) {
				if seen == point {
					cancel()
				}
				seen++
			}
			visit(ctx, more)
			x.at = nowhere
			struck := ctx.Err() != nil
			cancel()
			if n := visit(t.Context(), renewals["a visit"]); n != 3 {
				t.Errorf("%s, cancelled at point %d: the visit is lost, the next one is number %d, want 3", what, point, n)
			}
			if now := connected(pool); now != had {
				t.Fatalf("%s, cancelled at point %d: the pool had %+v, and has %+v", what, point, had, now)
			}
			if !struck { // all points of the request were before this one
				t.Logf("%s: %d points", what, point)
				if point < 12 {
					t.Errorf("%s has %d points, want at least six for each of two calls", what, point)
				}
				break
			}
		}
	}
}

// REL-19 over the network: clients that go away while the server is answering, one visit
// after the other and many at once.
func TestREL19ClientsGoAway(t *testing.T) {
	t.Parallel()
	px := before(t)
	p := onPostgres(t, px)
	pool := traced(t, p, &points{at: nowhere})
	s, err := postgres.New(pool, p.options)
	if err != nil {
		t.Fatal(err)
	}
	var counted, cancelled atomic.Int32
	var cancels sync.Map // by number of the request
	var running sync.WaitGroup
	// A client that goes away soon sends the next request: without a bound all of them
	// would wait for one row at once, and the last longer than patience where a commit is slow.
	inside := make(chan struct{}, 16)
	m, err := session.New(s, &session.Options{Timeout: patience, Events: func(_ context.Context, e session.Event) {
		if e.Kind == session.SaveError {
			t.Errorf("a save: %v", e.Err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		inside <- struct{}{}
		defer func() { <-inside }()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if cancel, ok := cancels.Load(r.FormValue("away")); ok {
				cancel.(context.CancelFunc)()
				<-r.Context().Done() // before the store is asked, or the client might be too late
				cancelled.Add(1)
			}
			s, err := session.From(r.Context())
			if err == nil {
				_, err = visits.Update(s, func(n int) int { return n + 1 })
			}
			if err != nil {
				t.Errorf("in the handler: %v", err)
				return
			}
			counted.Add(1)
		})).ServeHTTP(w, r)
	}))
	defer srv.Close()
	var b tab
	b.fine(t, srv.URL)
	had := connected(pool)

	// At any time: some in flight, some before that, some after.
	undo := px.Fail(proxy.Fault{Kind: proxy.Latency, Delay: time.Millisecond})
	requests := rounds(200, 5000)
	atOnce(4, func(i int) {
		for n := range requests / 4 {
			c := b
			ctx, cancel := context.WithCancel(t.Context())
			number := fmt.Sprint(i, "-", n)
			if n%2 == 0 {
				cancels.Store(number, cancel)
			} else {
				time.AfterFunc(time.Duration(n%40)*250*time.Microsecond, cancel)
			}
			_, _ = c.get(ctx, srv.URL+"?away="+number)
			cancel()
		}
	})
	srv.Close() // waits for the handlers
	running.Wait()
	if undo() == 0 {
		t.Error("the store was not slow")
	}
	if n := cancelled.Load(); n < int32(requests/4) {
		t.Errorf("%d requests were cancelled: this shows little", n)
	}
	if now := connected(pool); now != had {
		t.Errorf("the pool had %+v, and has %+v", had, now)
	}
	n := 0
	last := page(t, p.store, session.Options{Timeout: patience}, func(s *session.Session) error { n = visits.Get(s); return nil })
	b.fine(t, last.URL)
	if n != int(counted.Load()) {
		t.Errorf("%d visits are stored, want %d", n, counted.Load())
	}
	t.Logf("%d visits, of which %d with a client that was gone before", counted.Load(), cancelled.Load())
}
