package redis_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// until waits until a load has come so far.
func until(t *testing.T, d *diary.Diary, enough func(diary.Counts) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := d.Await(ctx, enough); err != nil {
		t.Fatal(err)
	}
}

// REL-07: the server is killed and started again under load. Meanwhile there are errors,
// none of which says that a session is not there; afterwards nothing that was acknowledged
// is lost, deletes included, and the store works without being reopened.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	for _, spec := range []server.Spec{server.Redis(), server.Valkey()} {
		t.Run(spec.Name, func(t *testing.T) { t.Parallel(); killUnderLoad(t, spec) })
	}
}

func killUnderLoad(t *testing.T, spec server.Spec) {
	rounds := 2
	if full() {
		rounds = 30
	}
	spec.Cmd = append(spec.Cmd, "--appendfsync", "always") // or it answers, now and then, before the log has it
	sv := server.New(t, spec)
	x := newSpace(t, sv.URL())
	diary.Killed(t, sv, x.open(t, x.client), rounds, 2000)
}

// A server that stands still, with its connections open, holds a call no longer than the
// store's time or the context's.
func TestPausedServer(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.Redis())
	x := newSpace(t, sv.URL())
	v := create(t, x.open(t, x.client), "a", "")
	x.opts.Timeout = 300 * time.Millisecond
	s := x.open(t, x.client)
	if err := sv.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"load":   func() error { _, err := s.Load(t.Context(), "a"); return err },
		"update": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v); return err },
		"touch":  func() error { return s.Touch(t.Context(), "a", time.Hour) },
		"delete": func() error { return s.Delete(t.Context(), "b") },
		"count":  func() error { _, err := s.Count(t.Context()); return err },
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
		if errors.Is(err, store.ErrNotFound) || time.Since(began) > 10*time.Second {
			t.Fatalf("%v after it went on: %v", time.Since(began), err)
		}
	}
}

// What a server that keeps nothing on its disk costs: a crash loses all sessions, who
// was logged in is not, and the store goes on.
func TestServerWithoutPersistence(t *testing.T) {
	t.Parallel()
	spec := server.Redis()
	spec.Cmd = append(spec.Cmd, "--appendonly", "no")
	sv := server.New(t, spec)
	x := newSpace(t, sv.URL())
	s := x.open(t, x.client)
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
