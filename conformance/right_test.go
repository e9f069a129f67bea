package conformance_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/store"
)

// core is a store that can do the five verbs and nothing else.
type core struct{ store.Store }

// snapshot lists the ids that were there when the listing began, and passes over
// what is created meanwhile, as it may.
type snapshot struct{ *reference }

func (s snapshot) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		began := map[string]bool{}
		for l, err := range s.reference.List(ctx, store.Query{Owner: q.Owner}) {
			if err != nil {
				yield(l, err)
				return
			}
			began[l.ID] = true
		}
		for l, err := range s.reference.List(ctx, q) {
			if (err != nil || began[l.ID]) && !yield(l, err) {
				return
			}
		}
	}
}

// tidy sweeps before it counts.
type tidy struct{ *reference }

func (s tidy) Count(ctx context.Context) (int, error) {
	if _, err := s.Sweep(ctx); err != nil {
		return 0, err
	}
	return s.reference.Count(ctx)
}

// unswept has a server that removes what has expired, and no Sweeper.
type unswept struct {
	store.Store
	store.Lister
	store.OwnerDeleter
	store.Counter
	store.Clearer
	close func() error
}

func (s unswept) Close() error { return s.close() }

// removing starts the server's own cleaner, which is slow.
func removing(sp *space, sub *conformance.Subject) {
	r := sub.Store.(*reference)
	sub.Store = unswept{r, r, r, r, r, r.Close}
	sub.Expires, sub.Sweeping = "the server", nil
	r.bg.Go(func() {
		for {
			select {
			case <-r.stop:
				return
			case <-time.After(700 * time.Millisecond):
			}
			sp.mu.Lock()
			for id, x := range sp.rows {
				if x.left() <= 0 {
					sp.drop(id)
				}
			}
			sp.mu.Unlock()
		}
	})
}

// right are the ways to be right that the suite must not complain of, each with
// what of it is not tested then: a level that is not reached, or nothing.
var right = []struct {
	name    string
	change  func(*space, *conformance.Subject)
	reaches int // levels
}{
	{"5 ms a call", func(sp *space, _ *conformance.Subject) { sp.delay = 5 * time.Millisecond }, 5},
	{"50 ms a call", func(sp *space, _ *conformance.Subject) { sp.delay = 50 * time.Millisecond }, 5},
	{"lifetimes in seconds", func(sp *space, sub *conformance.Subject) {
		sp.unit, sub.Precision = time.Second, time.Second
	}, 5},
	{"lifetimes in nanoseconds", func(sp *space, sub *conformance.Subject) {
		sp.unit, sub.Precision = 1, 1
	}, 5},
	{"lifetimes finer than it says", func(_ *space, sub *conformance.Subject) { sub.Precision = 2 * time.Second }, 5},
	{"64 KiB at most", func(_ *space, sub *conformance.Subject) {
		sub.MaxData = 64 << 10
		sub.Store = limited{sub.Store.(*reference)}
	}, 5},
	{"nothing beyond the five verbs", func(_ *space, sub *conformance.Subject) {
		sub.Store = core{sub.Store}
	}, 4},
	{"no hooks", func(_ *space, sub *conformance.Subject) {
		*sub = conformance.Subject{Store: sub.Store, MaxData: sub.MaxData}
	}, 0},
	{"no hooks and nothing beyond the five verbs", func(_ *space, sub *conformance.Subject) {
		*sub = conformance.Subject{Store: core{sub.Store}}
	}, 0},
	{"Age alone", func(_ *space, sub *conformance.Subject) {
		*sub = conformance.Subject{Store: sub.Store, Age: sub.Age, MaxData: sub.MaxData}
	}, 2},
	{"the server removes what has expired", removing, 5},
	{"the server removes what has expired, 20 ms a call", func(sp *space, sub *conformance.Subject) {
		sp.delay = 20 * time.Millisecond
		removing(sp, sub)
	}, 5},
	{"listings of what was there when they began", func(_ *space, sub *conformance.Subject) {
		sub.Store = snapshot{sub.Store.(*reference)}
	}, 5},
	{"a server that knows the repeat of what it has applied", func(sp *space, _ *conformance.Subject) { sp.knows = true }, 5},
	{"a count that sweeps first", func(_ *space, sub *conformance.Subject) {
		sub.Store = tidy{sub.Store.(*reference)}
	}, 5},
}

// limited takes 64 KiB.
type limited struct{ *reference }

func (s limited) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := store.CheckCreate(ctx, id, rec, ttl, 64<<10); err != nil && !s.closed.Load() {
		return 0, err
	}
	return s.reference.Create(ctx, id, rec, ttl)
}

func (s limited) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := store.CheckUpdate(ctx, id, rec, ttl, base, 64<<10); err != nil && !s.closed.Load() {
		return 0, err
	}
	return s.reference.Update(ctx, id, rec, ttl, base)
}

func TestRightStores(t *testing.T) {
	for _, r := range right {
		t.Run(r.name, func(t *testing.T) {
			rep := conformance.VerifyInBubble(t, variant("", r.change), nil)
			if rep.Err != "" {
				t.Error(rep.Err)
			}
			for _, x := range rep.Results {
				switch x.Status {
				case conformance.Pass, conformance.Skip:
				default:
					t.Errorf("%s", x.Explain())
				}
				if x.Time > 45*time.Second {
					t.Errorf("%s takes %v: too near to its limit", x.ID, x.Time)
				}
			}
			if len(rep.Levels) != r.reaches {
				t.Errorf("it reaches %v, want %d levels: %s", rep.Levels, r.reaches, rep.Summary())
			}
		})
	}
}
