// Package verbs calls stores as the tests of every adapter do.
package verbs

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// Full reports whether the long version of a test is wanted.
func Full() bool { return os.Getenv("SOJOURN_TEST_FULL") == "1" }

// Further reports whether what CI runs apart is to be run: more of the same, and further
// ways to reach a server. The tests of every day are to take five minutes.
func Further() bool { return Full() || os.Getenv("SOJOURN_TEST_FURTHER") == "1" }

// Patience is the time of a store whose test is not about time: a busy machine stands still
// for longer than the two seconds of every day.
const Patience = 30 * time.Second

// All are the calls of a store on the session "a", whose revision is v and whose owner is
// "o", but Clear.
func All(s store.Store, v store.Revision) map[string]func(context.Context) error {
	list := func(q store.Query) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, err := range store.List(ctx, s, q) {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	return map[string]func(context.Context) error{
		"load":   func(ctx context.Context) error { _, err := s.Load(ctx, "a"); return err },
		"create": func(ctx context.Context) error { _, err := s.Create(ctx, "b", store.Record{}, time.Hour); return err },
		"update": func(ctx context.Context) error {
			_, err := s.Update(ctx, "a", store.Record{Data: []byte("2"), Owner: "o"}, time.Hour, v)
			return err
		},
		"touch":        func(ctx context.Context) error { return s.Touch(ctx, "a", time.Hour) },
		"delete":       func(ctx context.Context) error { return s.Delete(ctx, "c") },
		"list":         list(store.Query{}),
		"list owner":   list(store.Query{Owner: "o"}),
		"count":        func(ctx context.Context) error { _, err := store.Count(ctx, s); return err },
		"sweep":        func(ctx context.Context) error { _, err := store.Sweep(ctx, s); return err },
		"delete owner": func(ctx context.Context) error { _, err := store.DeleteOwner(ctx, s, "o"); return err },
		"ping":         func(ctx context.Context) error { return store.Ping(ctx, s) },
	}
}

// Create stores a session that lives for an hour, and is nobody's.
func Create(tb testing.TB, s store.Store, id, data string) store.Revision {
	tb.Helper()
	v, err := s.Create(tb.Context(), id, store.Record{Data: []byte(data)}, time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// Theirs stores the session "a" of the owner "o", which lives for an hour.
func Theirs(tb testing.TB, s store.Store) store.Revision {
	tb.Helper()
	v, err := s.Create(tb.Context(), "a", store.Record{Data: []byte("1"), Owner: "o"}, time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// Want fails the test unless err is one of the kinds given; nil is one too.
func Want(tb testing.TB, what string, err error, kinds ...error) {
	tb.Helper()
	for _, k := range kinds {
		if errors.Is(err, k) {
			return
		}
	}
	tb.Errorf("%s: got %v, want %v", what, err, kinds)
}

// Fails makes a call that cannot be answered, and has a tenth of a second for it. It must
// end in time, with an error that says nothing of the session.
func Fails(t *testing.T, what string, call func(context.Context) error) {
	t.Helper()
	const limit = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	took := time.Since(began)
	if err == nil {
		t.Errorf("%s: no error", what)
	}
	for _, kind := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict} {
		if errors.Is(err, kind) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if took > 2*limit {
		t.Logf("%s took %v of %v", what, took, limit)
	}
	if took > 3*time.Second {
		t.Errorf("%s took %v of %v", what, took, limit)
	}
}

// Clearer is a store that a test may clear.
type Clearer interface {
	store.Store
	Clear(ctx context.Context) error
}

// TimeOver makes calls on s, behind a network that keeps each answer until the caller has
// given up. Each says that its time is over, and the cause that the deadline was given; and
// those in writes, whose write has arrived, that the outcome is unknown, which a read never
// says. direct is the same store without that network; calls are [All] or more.
func TimeOver(t *testing.T, network interface {
	Fail(proxy.Fault) (undo func() (struck int))
}, s store.Store, direct Clearer, calls func(store.Revision) map[string]func(context.Context) error, writes ...string,
) {
	t.Helper()
	why := errors.New("the visitor waits no longer")
	for what := range calls(0) {
		isWrite := slices.Contains(writes, what)
		try := func(limit time.Duration) (struck int, _ error) {
			if err := direct.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			call := calls(Theirs(t, direct))[what]
			if _, err := s.Load(t.Context(), "a"); err != nil { // there is a connection
				t.Fatal(err)
			}
			ended := make(chan struct{})
			fault := proxy.Fault{Kind: proxy.DropReplies}
			if isWrite {
				fault = proxy.Fault{Kind: proxy.LoseReply, Between: func() { <-ended }}
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, why)
			defer cancel()
			undo := network.Fail(fault)
			err := call(ctx)
			close(ended)
			return undo(), err
		}
		limit := 100 * time.Millisecond
		struck, err := try(limit)
		// On a busy machine nothing is asked in so short a time, or not yet answered.
		for ; struck == 0 && limit < time.Minute; struck, err = try(limit) {
			limit *= 2
		}
		if struck == 0 {
			t.Errorf("%s: no answer was kept", what)
		}
		Want(t, what, err, context.DeadlineExceeded)
		Want(t, what, err, why)
		if unknown := errors.Is(err, store.ErrUnknown); unknown != isWrite {
			t.Errorf("%s: got %v; is its outcome unknown: %t", what, err, isWrite)
		}
	}
}
