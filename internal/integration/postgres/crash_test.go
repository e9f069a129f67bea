package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// REL-07: the server is killed and started again under load. Meanwhile there are
// errors, none of which says that a session is not there; afterwards nothing that was
// acknowledged is lost, deletes included, and the store works without being reopened.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := 2
	if full() {
		rounds = 30
	}
	sv := server.New(t, server.Postgres())
	x := newTable(t, sv.URL())
	diary.Killed(t, sv, x.open(t, x.pool), rounds, 200)
}

// A server that stands still, with its connections open, holds a call no longer than
// the store's time or the context's.
func TestPausedServer(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.Postgres())
	x := newTable(t, sv.URL())
	v := create(t, x.open(t, x.pool), "a", "")
	x.opts.Timeout = 300 * time.Millisecond
	s := x.open(t, x.pool)
	if err := sv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"load":   func() error { _, err := s.Load(t.Context(), "a"); return err },
		"update": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v); return err },
		"touch":  func() error { return s.Touch(t.Context(), "a", time.Hour) },
		"delete": func() error { return s.Delete(t.Context(), "b") },
	} {
		began := time.Now()
		err := call()
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

// What Options.Unlogged costs: a crash of the server loses all sessions, and the store
// goes on.
func TestUnloggedLosesAll(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.Postgres())
	x := unmade(t, sv.URL())
	x.opts.Migrate, x.opts.Unlogged = true, true
	s := x.open(t, x.pool)
	for n := range 50 {
		create(t, s, fmt.Sprint(n), "")
	}
	if err := sv.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d of 50 sessions, %v, want none: then the doc says too little", n, err)
	}
	create(t, s, "a", "")
}
