package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// small is a server that has a little room on its disk.
func small(args ...string) server.Spec {
	spec := server.Redis()
	spec.Host = func(h *container.HostConfig) { h.Tmpfs = map[string]string{"/data": "size=8m"} }
	spec.Cmd = append(spec.Cmd, args...)
	return spec
}

// The disk is full: a server that logs what it was told takes no writes any more, not
// even one that ends a session. When there is room again it goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	sv := server.New(t, small())
	x := newSpace(t, sv.URL())
	s := x.open(t, x.client)
	run := func(script string) {
		t.Helper()
		if out, err := sv.Exec(t.Context(), "bash", "-c", script); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run("head -c 4m /dev/zero >/data/somebody-elses")
	data := make([]byte, 64<<10)
	v := store.Revision(0)
	var full error
	n := 0
	for ; full == nil; n++ {
		var next store.Revision
		if next, full = s.Create(t.Context(), fmt.Sprint(n), store.Record{Data: data}, time.Hour); full == nil {
			v = next
		}
		if n > 1000 {
			t.Fatal("the disk has room for all")
		}
	}
	last := fmt.Sprint(n - 2)
	_, updated := s.Update(t.Context(), last, store.Record{}, time.Hour, v)
	_, owner := s.DeleteOwner(t.Context(), "o") // has none: nothing is written
	for what, err := range map[string]error{
		"create": full, "update": updated, "touch": s.Touch(t.Context(), last, time.Hour), "delete": s.Delete(t.Context(), last), "clear": s.Clear(t.Context()),
	} {
		if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) || code(err) != "MISCONF" {
			t.Errorf("%s: got %v, want ErrFull by MISCONF", what, err)
		}
	}
	want(t, "delete owner of nobody", owner, nil)
	if e, err := s.Load(t.Context(), last); err != nil || len(e.Data) != len(data) || e.Revision != v {
		t.Errorf("load: %d bytes, %v", len(e.Data), err)
	}
	run("rm /data/somebody-elses")
	for began := time.Now(); ; { // the server tries again once a second
		_, err := s.Update(t.Context(), last, store.Record{}, time.Hour, v)
		if err == nil {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("20 s after there is room: %v", err)
		}
	}
	want(t, "delete", s.Delete(t.Context(), last), nil)
}

// A server that cannot write its snapshots takes no writes either, and does not say why.
func TestSnapshotFails(t *testing.T) {
	t.Parallel()
	sv := server.New(t, small("--appendonly", "no", "--save", "1 1"))
	x := newSpace(t, sv.URL())
	s := x.open(t, x.client)
	create(t, s, "a", "1")
	if out, err := sv.Exec(t.Context(), "bash", "-c", "head -c 9m /dev/zero >/data/somebody-elses; true"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var err error
	for began, n := time.Now(), 0; err == nil; n++ { // until a snapshot was tried
		_, err = s.Create(t.Context(), fmt.Sprint(n), store.Record{Data: make([]byte, 10<<10)}, time.Hour)
		if time.Since(began) > 30*time.Second {
			t.Fatal("no snapshot failed in 30 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if code(err) != "MISCONF" || errors.Is(err, store.ErrUnknown) || !strings.Contains(err.Error(), "its log says why") {
		t.Errorf("got %v, want MISCONF", err)
	}
	t.Log(err)
	want(t, "load", func() error { _, err := s.Load(t.Context(), "a"); return err }(), nil)
}
