package redis_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
)

// REL-19: a cancellation neither ends a call that is under way nor costs the pool a
// connection.
func TestCancellationKeepsTheConnection(t *testing.T) {
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			network, client := x.through(t)
			s, direct := x.open(t, client), x.open(t, x.client)
			for what := range calls(s, 0) {
				if err := direct.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				v := verbs.Theirs(t, direct)
				call := calls(s, v)[what]
				if err := call(t.Context()); err != nil { // its connections are there
					t.Fatal(err)
				}
				if err := direct.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				call = calls(s, verbs.Theirs(t, direct))[what]
				made := network.Dials()
				// The network holds the call until after its cancellation.
				held := make(chan struct{}, 100)
				undo := network.Fail(proxy.Fault{Kind: proxy.Latency, Side: proxy.Requests, Struck: func() { held <- struct{}{} }})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- call(ctx) }()
				<-held
				cancel()
				undo()
				// What has more pages is not begun again.
				if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("the %s that was cancelled while it waited: %v", what, err)
				} else if err != nil && !paged[what] {
					t.Errorf("the %s that was under way was given up: %v", what, err)
				}
				if err := call(t.Context()); what == "load" && err != nil {
					t.Errorf("%s again: %v", what, err)
				}
				if n := network.Dials() - made; n > 0 {
					t.Errorf("%s: %d connections were made anew", what, n)
				}
			}
		})
	}
}

// paged are the calls that ask more than once.
var paged = map[string]bool{"list": true, "list data": true, "list owner": true, "count": true, "delete owner": true, "clear": true}

// REL-19, at no point in particular: a thousand calls are cancelled at random.
func TestRandomCancellations(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	network, client := x.through(t)
	s := x.open(t, client)
	create(t, s, "a", "0")
	const workers = 4
	made := network.Dials()
	var cancelled atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range 250 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration((n*37+w*11)%400)*time.Microsecond, cancel)
				err := visit(ctx, s, "a")
				switch {
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				case err != nil:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	// So many at once want so many, for commands and for pipelines.
	if n := network.Dials() - made; n > 2*workers {
		t.Errorf("%d connections were made anew", n)
	}
	if cancelled.Load() == 0 {
		t.Error("no call ended by its cancellation: this shows nothing")
	}
}
