package mongo_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
)

// REL-07: the server is killed and started again under load. Meanwhile there are errors,
// none of which says that a session is not there; afterwards nothing that was acknowledged
// is lost, deletes included, and the store works without being reopened.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]server.Spec{"replica set": server.Mongo(), "standalone": server.MongoStandalone()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killUnderLoad(t, server.New(t, spec))
		})
	}
}

func killUnderLoad(t *testing.T, sv *server.Server) {
	rounds := 2
	if full() {
		rounds = 30
	}
	diary.Killed(t, sv, newCollection(t, sv.URL()).open(t, nil), rounds, 200)
}

// A server that stands still, with its connections open, holds a call no longer than the
// store's time or the context's.
func TestPausedServer(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.Mongo())
	x := newCollection(t, sv.URL())
	v := verbs.Theirs(t, x.open(t, nil))
	x.opts.Timeout = 300 * time.Millisecond
	s := x.open(t, nil)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, call := range verbs.All(s, v) {
		if what == "count" {
			continue // has thirty times as long
		}
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
		_, err := s.Load(t.Context(), "a")
		if err == nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("10 s after it went on: %v", err)
		}
	}
}
