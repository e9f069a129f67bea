package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/store"
)

// world opens stores with a bug, or right ones with "": the spaces of one server
// for those that a check opens.
func world(bug string) conformance.Open { return variant(bug, nil) }

// variant is world with a change to each store: to how its server is, before, or
// to what its author can do.
func variant(bug string, change func(*space, *conformance.Subject)) conformance.Open {
	var mu sync.Mutex
	servers := map[string]*server{}
	return func(tb testing.TB) conformance.Subject {
		mu.Lock()
		sv := servers[tb.Name()]
		if sv == nil {
			sv = &server{spaces: map[string]*table{}}
			servers[tb.Name()] = sv
			tb.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				delete(servers, tb.Name())
			})
		}
		mu.Unlock()
		sv.mu.Lock()
		defer sv.mu.Unlock()
		name := fmt.Sprint("space", len(sv.spaces))
		if bug == "one space for all" {
			name = "space"
		}
		if sv.spaces[name] == nil {
			sv.spaces[name] = newTable()
		}
		sp := &space{server: sv, table: sv.spaces[name], bug: bug, lifted: make(chan struct{}), unit: time.Millisecond}
		sub := sp.subject()
		if change != nil {
			change(sp, &sub)
		}
		return sub
	}
}

// subject is the store with all that only its author can do to it.
func (sp *space) subject() conformance.Subject {
	first := newReference(sp)
	locked := func(f func()) {
		sp.mu.Lock()
		defer sp.mu.Unlock()
		f()
	}
	handle := func(context.Context) (store.Store, error) { return newReference(sp), nil }
	return conformance.Subject{
		Store: first,
		Age: func(_ context.Context, d time.Duration) error {
			locked(func() {
				for id, x := range sp.rows {
					x.deadline, x.first = x.deadline.Add(-d), x.first.Add(-d)
					sp.rows[id] = x
				}
			})
			return nil
		},
		Peer: handle,
		Skewed: func(_ context.Context, d time.Duration) (store.Store, error) {
			r := newReference(sp)
			r.skew = d
			return r, nil
		},
		Reopen: func(ctx context.Context) (store.Store, error) {
			if err := first.Close(); err != nil {
				return nil, err
			}
			return handle(ctx)
		},
		Crash: func(ctx context.Context) (store.Store, error) {
			locked(sp.crash)
			return handle(ctx)
		},
		Break: sp.fail,
		Corrupt: func(_ context.Context, id string) error {
			locked(func() {
				k := first.key(id)
				x := sp.rows[k]
				x.broken = true
				sp.rows[k] = x
			})
			return nil
		},
		LoseIndex: func(context.Context) error {
			locked(func() {
				sp.lost = true
				clear(sp.index)
			})
			return nil
		},
		Sweeping: func(_ context.Context, onError func(error)) (store.Store, error) {
			r := newReference(sp)
			r.sweeping(onError)
			return r, nil
		},
		Raw: func(context.Context) (raw []byte, err error) {
			locked(func() {
				for id, x := range sp.rows {
					raw = append(append(append(raw, id...), x.owner...), x.data...)
				}
				for owner := range sp.index {
					raw = append(raw, owner...)
				}
			})
			return raw, nil
		},
		Rows: func(context.Context) (n int, err error) {
			locked(func() { n = len(sp.rows) })
			return n, nil
		},
		Client: func(context.Context) (err error) {
			locked(func() {
				if sp.server.closed {
					err = errors.New("the client is closed")
				}
			})
			return err
		},
		MaxData:     maxData,
		Precision:   time.Millisecond,
		CallTimeout: callTimeout,
		Durability:  "process",
		Server:      "a server that is played",
	}
}
