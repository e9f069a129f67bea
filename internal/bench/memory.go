package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func memoryRows() []row {
	var rows []row
	for _, goroutines := range []int{1, 16} {
		for _, n := range []int{held, crowd} {
			rows = append(rows, row{fmt.Sprintf("memory, load hit, %d goroutines, of %d", goroutines, n), func(cycles int) ([]line, error) {
				return loads(n, goroutines, cycles)
			}})
		}
		rows = append(rows, row{fmt.Sprintf("memory, write, %d goroutines", goroutines), func(cycles int) ([]line, error) {
			return writes(goroutines, cycles)
		}})
	}
	return append(rows,
		row{"memory, expiry", expiry},
		row{"memory, locks", locks},
		row{"memory, heap", heapPerSession})
}

const (
	dataBytes = 512
	held      = 16 << 10 // sessions in a store that is compared; 16 goroutines have 1,024 each
	life      = time.Hour
)

var ctx = context.Background()

// filled returns a store and its limit with n sessions, the same in both.
func filled(n int) (*memory.Store, *limit, []string, []store.Revision, error) {
	s, l := memory.New(nil), newLimit()
	ids, revs := newIDs(n), make([]store.Revision, n)
	data := make([]byte, dataBytes)
	for i, id := range ids {
		owner := fmt.Sprintf("user:%06d", i)
		rev, err := s.Create(ctx, id, store.Record{Data: data, Owner: owner}, life)
		if err != nil {
			return nil, nil, nil, nil, err
		}
		revs[i] = rev
		l.save(id, data, owner, rev)
	}
	return s, l, ids, revs, nil
}

// loads compares with a plain map, and with one that judges lifetimes.
func loads(held, goroutines, cycles int) ([]line, error) {
	s, l, ids, _, err := filled(held)
	if err != nil {
		return nil, err
	}
	mine := held / goroutines
	each := func(load func(id string) bool) block {
		at := make([]int, goroutines) // each block goes on where the last one ended
		return func(g, n int) {
			ids, next := ids[g*mine:][:mine], at[g]
			for range n {
				if !load(ids[next]) {
					panic("load: not there")
				}
				if next++; next == mine {
					next = 0
				}
			}
			at[g] = next
		}
	}
	ours := func(id string) bool {
		e, err := s.Load(ctx, id)
		return err == nil && len(e.Data) == dataBytes
	}
	what := fmt.Sprintf("memory, load hit, 512 B, %s, of %d sessions", count(goroutines), held)
	plain := compare(comparison{goroutines: goroutines, ours: each(ours), limit: each(func(id string) bool {
		e, ok := l.load(id)
		return ok && len(e.data) == dataBytes
	})}, cycles)
	judging := compare(comparison{goroutines: goroutines, ours: each(ours), limit: each(func(id string) bool {
		e, left, ok := l.loadLive(id)
		return ok && left > 0 && len(e.data) == dataBytes
	})}, cycles)
	return []line{
		plain.line(what, target{ratio: 1.15}),
		judging.line(what+", the limit reads the clock", target{ratio: 1.15}),
	}, nil
}

func count(goroutines int) string {
	if goroutines == 1 {
		return "1 goroutine"
	}
	return fmt.Sprintf("%d goroutines", goroutines)
}

// writes has each goroutine update sessions of its own, so that every Update succeeds.
func writes(goroutines, cycles int) ([]line, error) {
	s, l, ids, revs, err := filled(held)
	if err != nil {
		return nil, err
	}
	mine := held / goroutines
	data := make([]byte, dataBytes)
	owners := make([]string, held)
	for i := range owners {
		owners[i] = fmt.Sprintf("user:%06d", i)
	}
	r := compare(comparison{
		goroutines: goroutines,
		allocates:  true,
		ours: func(g, n int) {
			for i := range n {
				at := g*mine + i%mine
				rev, err := s.Update(ctx, ids[at], store.Record{Data: data, Owner: owners[at]}, life, revs[at])
				if err != nil {
					panic(fmt.Sprint("update: ", err))
				}
				revs[at] = rev
			}
		},
		limit: func(g, n int) {
			for i := range n {
				at := g*mine + i%mine
				l.save(ids[at], data, owners[at], store.NewRevision())
			}
		},
	}, cycles)
	return []line{r.line("memory, write, 512 B, "+count(goroutines), target{ratio: 1.4})}, nil
}

// newIDs returns ids of 43 random characters, as a manager's are.
func newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		var b [32]byte
		_, _ = rand.Read(b[:])
		ids[i] = base64.RawURLEncoding.EncodeToString(b[:])
	}
	return ids
}
