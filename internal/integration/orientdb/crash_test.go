package orientdb_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/dump"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
)

// TestServerGoesAway does to a server of its own what no other test can go on beside.
func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.OrientDB(server.OrientDBWAL10))
	t.Run("killed", func(t *testing.T) { killUnderLoad(t, sv) })
	t.Run("paused", func(t *testing.T) { paused(t, sv) })
	t.Run("stopped", func(t *testing.T) { startedAgain(t, sv) })
}

// REL-07: the server is killed and started again under load. Meanwhile there are errors,
// none of which says that a session is not there; afterwards nothing that was acknowledged
// is lost but what came last, deletes included, and the store works without being reopened.
func killUnderLoad(t *testing.T, sv *server.Server) {
	rounds := 1
	if full() {
		rounds = 30
	}
	x := newClass(t, sv.URL())
	x.opts.Timeout = 0 // as it comes: calls are to fail
	diary.KilledBut(t, sv, x.open(t, nil), written10, rounds, 600)
}

// A server that stands still, with its connections open, holds a call no longer than the
// store's time or the context's.
func paused(t *testing.T, sv *server.Server) {
	x := newClass(t, sv.URL())
	v := verbs.Theirs(t, x.open(t, nil))
	x.opts.Timeout = 200 * time.Millisecond
	s := x.open(t, nil)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, call := range verbs.All(s, v) {
		began := time.Now()
		err := call(t.Context())
		took := time.Since(began)
		want(t, what, err, context.DeadlineExceeded)
		if took > x.opts.Timeout+100*time.Millisecond {
			t.Logf("%s took %v of %v", what, took, x.opts.Timeout)
		}
		if took > 3*time.Second {
			t.Errorf("%s took %v, the store's time is %v", what, took, x.opts.Timeout)
		}
	}
	if err := sv.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		err := s.Ping(t.Context()) // of "a" nobody knows: what was asked for may be done now
		if err == nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("10 s after it went on: %v", err)
		}
	}
}

// A server that is started again knows nothing of the session that it had with the store,
// nor has it the connections. The store works at once, without being reopened; and so does
// the lesson's counter, which counts on. No file of the server has what is in a cookie
// (SEC-04).
func startedAgain(t *testing.T, sv *server.Server) {
	x := newClass(t, sv.URL())
	carried := &cookies{}
	s := x.open(t, carried.client(t))
	v := verbs.Theirs(t, s)
	if _, err := s.Load(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ids := dump.Fill(t, s)
	stored := listed(t, s)
	c := counter.Build(t).Start(t, with(x.url, "class="+x.opts.Class))
	defer c.Stop(t)
	var tab counter.Tab
	tab.Visits(t, c.URL, 1)
	tab.Visits(t, c.URL, 2)

	stop(t, sv)
	if err := sv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	searched(t, sv, ids, stored)
	before := len(carried.all())
	for what, call := range verbs.All(s, v) {
		if what != "delete owner" {
			want(t, what, call(t.Context()), nil)
		}
	}
	all := carried.all()
	old := all[before-1]
	if old == "" || all[before] != old {
		t.Errorf("the first request after it has the session %q, want that of before, %q", all[before], old)
	}
	if slices.Contains(all[before+1:], old) || slices.Contains(all[before+1:], "") {
		t.Errorf("the session %q of the server of before, and then %q", old, all[before+1:])
	}
	tab.Visits(t, c.URL, 3)
}

// stop ends the server in good order, as docker stop does.
func stop(t *testing.T, sv *server.Server) {
	t.Helper()
	if _, err := sv.Exec(t.Context(), "sh", "-c", "kill -TERM 1"); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		if _, err := sv.Exec(t.Context(), "true"); err != nil {
			break // nothing can be run in it any more
		}
		if time.Since(began) > time.Minute {
			t.Fatal("it runs a minute after it was told to end")
		}
	}
	_ = sv.Kill(t.Context()) // waits for the container, unless that has ended
}

// cookies notes the server's session that each request carries, "" for none.
type cookies struct {
	http.RoundTripper

	mu   sync.Mutex
	sent []string
}

func (c *cookies) client(tb testing.TB) *http.Client {
	c.RoundTripper = orientdbtest.Client(tb, nil).Transport
	return &http.Client{Transport: c}
}

func (c *cookies) RoundTrip(req *http.Request) (*http.Response, error) {
	session := ""
	if k, err := req.Cookie("OSESSIONID"); err == nil {
		session = k.Value
	}
	c.mu.Lock()
	c.sent = append(c.sent, session)
	c.mu.Unlock()
	return c.RoundTripper.RoundTrip(req)
}

func (c *cookies) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}
