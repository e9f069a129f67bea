package memory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

// known is what the store should hold, kept in the simplest way.
type known struct {
	owner    string
	revision store.Revision
	deadline time.Duration
}

// Any sequence of calls leaves what the same calls leave in a plain map, and the
// indexes in order.
func TestAnyCallsAgainstAPlainMap(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 0))
		start := time.Unix(0, 0)
		var gone time.Duration
		s := memory.New(&memory.Options{
			MaxSessions: 2000, MaxBytes: 1 << 20,
			Now: func() time.Time { return start.Add(gone) },
		})
		model := map[string]*known{}
		live := func(id string) bool { return model[id] != nil && model[id].deadline > gone }
		for i := range 8000 {
			id := fmt.Sprint("id", rng.IntN(2000))
			ttl := time.Duration(1 + rng.IntN(1000))
			// One owner has many, and some have one.
			owner := []string{"", "many", fmt.Sprint("owner", rng.IntN(300))}[rng.IntN(3)]
			rec := store.Record{Data: make([]byte, rng.IntN(40)), Owner: owner}
			switch rng.IntN(10) {
			case 0, 1, 2, 3:
				rev, err := s.Create(ctx, id, rec, ttl)
				if (err == nil) == live(id) {
					t.Fatalf("seed %d, call %d: Create of a live one (%v): %v", seed, i, live(id), err)
				}
				if err == nil {
					model[id] = &known{owner, rev, gone + ttl}
				}
			case 4, 5:
				base := store.Revision(1)
				if model[id] != nil {
					base = model[id].revision
				}
				rev, err := s.Update(ctx, id, rec, ttl, base)
				if (err == nil) != live(id) {
					t.Fatalf("seed %d, call %d: Update of a live one (%v): %v", seed, i, live(id), err)
				}
				if err == nil {
					model[id] = &known{owner, rev, gone + ttl}
				}
			case 6, 7:
				err := s.Touch(ctx, id, ttl)
				if (err == nil) != live(id) {
					t.Fatalf("seed %d, call %d: Touch of a live one (%v): %v", seed, i, live(id), err)
				}
				if err == nil {
					model[id].deadline = gone + ttl
				}
			case 8:
				if err := s.Delete(ctx, id); err != nil {
					t.Fatal(err)
				}
				delete(model, id)
			case 9:
				gone += time.Duration(rng.IntN(3))
			}
			if i%2000 == 1999 {
				n, err := s.DeleteOwner(ctx, "many")
				for id, k := range model {
					if k.owner == "many" {
						if k.deadline > gone {
							n--
						}
						delete(model, id)
					}
				}
				if n != 0 || err != nil {
					t.Fatalf("seed %d, call %d: DeleteOwner is wrong by %d, %v", seed, i, n, err)
				}
			}
			if i%400 == 0 {
				compare(t, s, model, gone)
			}
		}
		compare(t, s, model, gone)
		if err := s.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		compare(t, s, nil, gone)
	}
}

// A shard that is large grows otherwise than a small one, several creates at once.
func TestLargeStore(t *testing.T) {
	s := memory.New(nil)
	const n = 200_000 // 3,125 in a shard
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range n / 4 {
				rec := store.Record{Owner: fmt.Sprint("owner", i)}
				if _, err := s.Create(ctx, fmt.Sprint(g, "-", i), rec, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if rows := memory.Rows(s); rows != n {
		t.Errorf("%d of %d are there", rows, n)
	}
	if err := memory.Check(s); err != nil {
		t.Error(err)
	}
	if err := s.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	create(t, s, "id", "o", time.Hour)
	if err := memory.Check(s); err != nil {
		t.Error(err)
	}
}

func compare(t *testing.T, s *memory.Store, model map[string]*known, gone time.Duration) {
	t.Helper()
	if err := memory.Check(s); err != nil {
		t.Fatal(err)
	}
	byOwner, live := map[string]int{}, 0
	for id, k := range model {
		e, err := s.Load(ctx, id)
		if k.deadline <= gone {
			if !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("Load of an expired one: %v", err)
			}
			continue
		}
		live++
		byOwner[k.owner]++
		if err != nil || e.Revision != k.revision || e.Owner != k.owner || e.TTL != k.deadline-gone {
			t.Fatalf("Load: %+v, %v, want %+v at %v", e, err, *k, gone)
		}
	}
	byOwner[""] = live // a query for it lists all
	byOwner["nobody here"] = 0
	for owner, want := range byOwner {
		n := 0
		for l, err := range s.List(ctx, store.Query{Owner: owner}) {
			if err != nil || model[l.ID] == nil || owner != "" && l.Owner != owner {
				t.Fatalf("List yields %q of %q, %v", l.ID, l.Owner, err)
			}
			n++
		}
		if n != want {
			t.Fatalf("List of %q yields %d, want %d", owner, n, want)
		}
	}
	if n, err := s.Count(ctx); n != live || err != nil {
		t.Fatalf("Count is %d, %v, want %d", n, err, live)
	}
	if n := memory.Rows(s); n != live {
		t.Fatalf("%d are there after Count, want the %d live ones", n, live)
	}
}
