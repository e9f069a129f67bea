package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// callTime is how long a program lets a call take that it makes by hand: what a store
// does by itself.
const callTime = 2 * time.Second

// verb is a call of a store, and what a program would send in its place by hand through
// the same client.
type verb struct {
	what       string
	goroutines int
	of         int // sessions, of which every goroutine calls its own by chance
	ours, hand func(ctx context.Context, i int) error
	ready      func(n int) error // see comparison
	must       float64           // be the ratio at most, unless it is 0
	bounded    bool              // compare only with a program that bounds its calls
}

// compare compares with a program that never gives up, and with one that bounds its calls.
func (v verb) compare(cycles int) ([]line, error) {
	contexts, end := requestContexts(v.goroutines)
	defer end()
	var failed failure
	c := comparison{goroutines: v.goroutines, waits: true}
	if v.ready != nil {
		c.ready = func(n int) {
			if failed.err() == nil { // or no call is made any more, in no time
				failed.note(v.ready(n))
			}
		}
	}
	c.ours = failed.calls(v.goroutines, v.of, func(g, i int) error { return v.ours(contexts[g], i) })
	var lines []line
	for _, limit := range []struct {
		what string
		call func(g, i int) error
	}{
		{"without a bound", func(_, i int) error { return v.hand(context.Background(), i) }},
		{"bounded", func(g, i int) error {
			ctx, cancel := context.WithTimeout(contexts[g], callTime)
			defer cancel()
			return v.hand(ctx, i)
		}},
	} {
		if v.bounded && limit.what != "bounded" {
			continue
		}
		c.limit = failed.calls(v.goroutines, v.of, limit.call)
		r := compare(c, cycles)
		if err := failed.err(); err != nil {
			return nil, err
		}
		lines = append(lines, r.line(fmt.Sprintf("%s, %s, the limit %s", v.what, count(v.goroutines), limit.what), target{v.must, -1}))
	}
	return lines, nil
}

func load(ctx context.Context, s store.Store, id string) error {
	e, err := s.Load(ctx, id)
	if err == nil && len(e.Data) != dataBytes {
		err = fmt.Errorf("loaded %d B", len(e.Data))
	}
	return err
}

// growth compares loads from the second of two, which is the first one grown, with those
// from the first.
func growth(store string, ids [2][]string, cycles int, ours, hand func(k, i int) error) ([]line, error) {
	var failed failure
	grown := func(load func(k, i int) error) result {
		of := func(k int) block {
			return failed.calls(1, len(ids[k]), func(_, i int) error { return load(k, i) })
		}
		return compare(comparison{goroutines: 1, waits: true, ours: of(1), limit: of(0)}, cycles)
	}
	byOurs, byHand := grown(ours), grown(hand)
	if err := failed.err(); err != nil {
		return nil, err
	}
	return grownLines(store, len(ids[1]), len(ids[0]), byOurs, byHand), nil
}

// grownLines are what came of loads after something has grown. By hand it has grown by
// what the server takes.
func grownLines(store string, large, small int, ours, hand result) []line {
	what := fmt.Sprintf("%s, load, 512 B, of %d sessions, the limit of %d", store, large, small)
	return []line{ours.line(what, target{1.3, -1}), hand.line(what+", both by hand", target{allocs: -1})}
}

// together calls f in n goroutines and returns one of their errors.
func together(n int, f func(g int) error) error {
	var first failure
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { first.note(f(g)) })
	}
	wg.Wait()
	return first.err()
}

// failure is the first error that was noted. A row must return it, not panic: what it
// made in the server is to be removed.
type failure struct{ first atomic.Pointer[error] }

func (f *failure) note(err error) {
	if err != nil {
		f.first.CompareAndSwap(nil, &err)
	}
}

func (f *failure) err() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

// noise is data that cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func owner(i int) string { return fmt.Sprintf("user:%06d", i) }

// calls makes a block of calls, each for one of n sessions by chance, of which every
// goroutine has its own.
func (f *failure) calls(goroutines, n int, call func(g, i int) error) block {
	mine := n / goroutines
	return func(g, n int) {
		for range n {
			if f.first.Load() != nil {
				return
			}
			f.note(call(g, g*mine+mathrand.N(mine)))
		}
	}
}

// requestContexts returns a context for each goroutine, as that of a request is: it can
// be cancelled, and has values.
func requestContexts(n int) (contexts []context.Context, end func()) {
	type key struct{}
	var cancels []func()
	for range n {
		c, cancel := context.WithCancel(context.WithValue(ctx, key{}, n))
		contexts, cancels = append(contexts, c), append(cancels, cancel)
	}
	return contexts, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}
