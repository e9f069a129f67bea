package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// diary is what one writer knows of one session.
type diary struct {
	data   string
	v      store.Revision
	gone   bool   // it was deleted
	open   bool   // the outcome of the last write is not known
	opened string // the data that it would have
}

// REL-07: the server is killed and started again under load. Meanwhile there are
// errors, none of which says that a session is not there; afterwards nothing that was
// acknowledged is lost, deletes included, and the store works without being reopened.
func TestKillUnderLoad(t *testing.T) {
	rounds := 2
	if full() {
		rounds = 30
	}
	sv := server.New(t, server.Postgres())
	x := newTable(t, sv.URL())
	s := x.open(t, x.pool)
	for round := range rounds {
		ctx, stop := context.WithCancel(t.Context())
		var mu sync.Mutex
		diaries := map[string]*diary{}
		acknowledged, failed := 0, 0
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					id := fmt.Sprintf("%d-%d-%d", round, w, n)
					d := &diary{}
					mu.Lock()
					diaries[id] = d
					mu.Unlock()
					ok, bad := d.live(t, s, id)
					mu.Lock()
					acknowledged, failed = acknowledged+ok, failed+bad
					if acknowledged > 200 {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		if err := sv.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		down := func() int { mu.Lock(); defer mu.Unlock(); return failed }
		for down() == 0 {
			time.Sleep(time.Millisecond) // until the writers feel it
		}
		if err := sv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for {
			_, err := s.Create(t.Context(), fmt.Sprintf("back-%d", round), store.Record{}, time.Hour)
			if err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrUnknown) {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("10 s after its return: %v", err)
			}
		}
		back := time.Since(began)
		stop()
		wg.Wait()
		lost := 0
		for id, d := range diaries {
			if why := d.check(t.Context(), s, id); why != "" {
				lost++
				t.Errorf("%s: %s", id, why)
			}
		}
		t.Logf("round %d: %d writes acknowledged, %d failed, %d lost; the first answer %v after the server's return", round, acknowledged, failed, lost, back)
	}
}

// live makes a session and changes it, until a write fails. Calls have no deadline but
// the store's own.
func (d *diary) live(t *testing.T, s store.Store, id string) (acknowledged, failed int) {
	ctx := t.Context()
	write := func(data string, f func() error) bool {
		d.open, d.opened = true, data
		err := f()
		for _, kind := range []error{store.ErrNotFound, store.ErrConflict, store.ErrExists} {
			if errors.Is(err, kind) {
				t.Errorf("%s: %v, though nobody else writes to it", id, err)
			}
		}
		if err != nil {
			failed++
			return false
		}
		d.open, d.data = false, data
		acknowledged++
		return true
	}
	ok := write("1", func() (err error) {
		d.v, err = s.Create(ctx, id, store.Record{Data: []byte("1")}, time.Hour)
		return err
	}) && write("2", func() error {
		v, err := s.Update(ctx, id, store.Record{Data: []byte("2")}, time.Hour, d.v)
		if err == nil {
			d.v = v
		}
		return err
	})
	if ok && len(id)%2 == 0 {
		write("", func() error { return s.Delete(ctx, id) })
		d.gone = !d.open
	}
	return acknowledged, failed
}

// check says how what is stored differs from what was acknowledged.
func (d *diary) check(ctx context.Context, s store.Store, id string) string {
	e, err := s.Load(ctx, id)
	got := string(e.Data)
	switch {
	case errors.Is(err, store.ErrNotFound):
		got = ""
	case err != nil:
		return err.Error()
	}
	if got == d.data || d.open && got == d.opened {
		return ""
	}
	return fmt.Sprintf("holds %q, acknowledged was %q, and %q is open: %v", got, d.data, d.opened, d.open)
}

// A server that stands still, with its connections open, holds a call no longer than
// the store's time or the context's.
func TestPausedServer(t *testing.T) {
	sv := server.New(t, server.Postgres())
	x := newTable(t, sv.URL())
	x.opts.Timeout = 300 * time.Millisecond
	s := x.open(t, x.pool)
	v := create(t, s, "a", "")
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
