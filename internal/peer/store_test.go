package peer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

func start(t testing.TB, arg string) *peer.Store {
	t.Helper()
	s, err := peer.Start(t.Context(), arg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A store in another process keeps the contract as well as the one in this.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		s := start(tb, "memory")
		return conformance.Subject{
			Store:     s,
			Age:       func(ctx context.Context, d time.Duration) error { return s.Delete(ctx, "age:"+d.String()) },
			MaxData:   maxData,
			Precision: time.Nanosecond,
		}
	}, conformance.Claim(conformance.Core, conformance.Listing))
}

func TestErrors(t *testing.T) {
	s := start(t, "errors")
	for i, want := range sentinels {
		_, err := s.Load(t.Context(), fmt.Sprint(i))
		if err == nil || err.Error() != want.Error() {
			t.Errorf("got %v, want the text %q", err, want)
		}
		for _, other := range sentinels {
			if errors.Is(err, other) != (other == want) {
				t.Errorf("%v: errors.Is(…, %v) is %v", want, other, errors.Is(err, other))
			}
		}
	}
	if _, err := s.Create(t.Context(), "", store.Record{}, time.Hour); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "an id has 1 to 255 bytes") {
		t.Errorf("a refused id: %v", err)
	}
	if _, err := s.Create(t.Context(), "a", store.Record{Owner: "\xff"}, time.Hour); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an owner that is no UTF-8: %v", err)
	}
	var timeout interface{ Timeout() bool }
	if _, err := s.Load(t.Context(), "10"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a deadline is no time-out: %v", err)
	}
}

func TestAbilities(t *testing.T) {
	s := start(t, "bare")
	ctx := t.Context()
	if _, err := s.Create(ctx, "a", store.Record{Owner: "o"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	_, ended := store.DeleteOwner(ctx, s, "o")
	_, counted := store.Count(ctx, s)
	_, swept := store.Sweep(ctx, s)
	var listed error
	for _, listed = range store.List(ctx, s, store.Query{}) {
	}
	for name, err := range map[string]error{
		"delete owner": ended, "count": counted, "sweep": swept, "list": listed,
		"clear": store.Clear(ctx, s), "ping": store.Ping(ctx, s),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// calls is every call that can hang, by name.
func calls(s store.Store) map[string]func(ctx context.Context) error {
	r := store.Record{Data: []byte("d")}
	return map[string]func(ctx context.Context) error{
		faulty.Load:        func(ctx context.Context) error { _, err := s.Load(ctx, "a"); return err },
		faulty.Create:      func(ctx context.Context) error { _, err := s.Create(ctx, "a", r, time.Hour); return err },
		faulty.Update:      func(ctx context.Context) error { _, err := s.Update(ctx, "a", r, time.Hour, 1); return err },
		faulty.Touch:       func(ctx context.Context) error { return s.Touch(ctx, "a", time.Hour) },
		faulty.Delete:      func(ctx context.Context) error { return s.Delete(ctx, "a") },
		faulty.DeleteOwner: func(ctx context.Context) error { _, err := store.DeleteOwner(ctx, s, "o"); return err },
		faulty.Count:       func(ctx context.Context) error { _, err := store.Count(ctx, s); return err },
		faulty.Clear:       func(ctx context.Context) error { return store.Clear(ctx, s) },
		faulty.Sweep:       func(ctx context.Context) error { _, err := store.Sweep(ctx, s); return err },
		faulty.Ping:        func(ctx context.Context) error { return store.Ping(ctx, s) },
		faulty.List: func(ctx context.Context) error {
			for _, err := range store.List(ctx, s, store.Query{}) {
				return err
			}
			return nil
		},
	}
}

func writes(name string) bool {
	switch name {
	case faulty.Load, faulty.Count, faulty.Ping, faulty.List:
		return false
	}
	return true
}

// all makes all calls at once.
func all(ctx context.Context, t *testing.T, s store.Store, judge func(name string, err error)) {
	t.Helper()
	var wg sync.WaitGroup
	for name, call := range calls(s) {
		wg.Go(func() { judge(name, call(ctx)) })
	}
	wg.Wait()
}

// The store in the process sees deadline and cancellation, and its own words come back.
func TestContextsGoAlong(t *testing.T) {
	s := start(t, "hangs")
	for name, call := range calls(s) {
		for want, ending := range map[error]func(d time.Duration) (context.Context, context.CancelFunc){
			context.DeadlineExceeded: func(d time.Duration) (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), d)
			},
			context.Canceled: func(d time.Duration) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(d, cancel)
				return ctx, cancel
			},
		} {
			// A busy machine may not have sent it in time, or be late with the answer.
			for d := 2 * time.Millisecond; ; d *= 2 {
				ctx, cancel := ending(d)
				err := call(ctx)
				cancel()
				if !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", name, err, want)
					break
				}
				if strings.Contains(err.Error(), "faulty: ") {
					break
				}
				if d > 5*time.Second {
					t.Errorf("%s: %v, want the words of the store", name, err)
					break
				}
			}
		}
	}
	cause := errors.New("the cause")
	done, end := context.WithCancelCause(t.Context())
	end(cause)
	all(done, t, s, func(name string, err error) {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("%s, cancelled before: %v", name, err)
		}
	})
}

func TestStartFails(t *testing.T) {
	if _, err := peer.Start(t.Context(), "paper"); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), `no store "paper"`) {
		t.Errorf("a store that cannot be opened: %v", err)
	}
	if _, err := peer.Start(t.Context(), "exits"); !errors.Is(err, peer.ErrEnded) ||
		!strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "the last words") {
		t.Errorf("a process that exits: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := peer.Start(ctx, "memory"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	start(t, "noisy") // prints, and not into the pipe
}

// A listing runs ahead of its reader by a bounded number, and ends with it.
func TestListing(t *testing.T) {
	s := start(t, "memory")
	ctx := t.Context()
	const n = 500
	for i := range n {
		if _, err := s.Create(ctx, fmt.Sprint("id", i), store.Record{Data: []byte("data"), Owner: "o"}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for l, err := range s.List(ctx, store.Query{Owner: "o", Data: true}) {
		if err != nil || !bytes.Equal(l.Data, []byte("data")) || l.Owner != "o" || l.TTL <= 0 || l.Revision == 0 {
			t.Fatalf("listed %+v, %v", l, err)
		}
		seen[l.ID] = true
		if err := s.Touch(ctx, l.ID, time.Hour); err != nil { // calls go on meanwhile
			t.Fatal(err)
		}
	}
	if len(seen) != n {
		t.Errorf("%d sessions, want %d", len(seen), n)
	}
	// One who stops, or never goes on, holds up nobody.
	next, stop := iter.Pull2(s.List(ctx, store.Query{}))
	if _, err, ok := next(); err != nil || !ok {
		t.Fatal(err)
	}
	if c, err := s.Count(ctx); c != n || err != nil {
		t.Errorf("%d, %v", c, err)
	}
	stop()
	slow, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	read := 0
	for _, err := range s.List(slow, store.Query{}) {
		read++
		last = err
		cancel() // what was under way still comes
	}
	if !errors.Is(last, context.Canceled) || read > 100 {
		t.Errorf("cancelled in the middle: %d read of %d, %v", read, n, last)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	s := start(t, "memory")
	ctx := t.Context()
	if _, err := s.Create(ctx, "n", store.Record{Data: []byte{0}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for done := 0; done < 20; {
				e, err := s.Load(ctx, "n")
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Update(ctx, "n", store.Record{Data: []byte{e.Data[0] + 1}}, time.Hour, e.Revision)
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e, err := s.Load(ctx, "n"); err != nil || e.Data[0] != 200 {
		t.Errorf("%d after 200 increments, %v", e.Data, err)
	}
}

// A process is this program, in its environment.
func TestPid(t *testing.T) {
	if s := start(t, "memory"); s.Pid() <= 0 || s.Pid() == os.Getpid() {
		t.Errorf("pid %d", s.Pid())
	}
}
