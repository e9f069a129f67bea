package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A block makes n calls, one after the other, and returns when they are done.
// It is called by several goroutines at once; g tells them apart.
type block func(g, n int)

// comparison is a row: ours against the limit, the same job done by hand.
type comparison struct {
	goroutines  int
	ours, limit block
	allocates   bool // enough that a block must be long, to have its share of the collections
	waits       bool // for a server, which takes longer, and not the same each time

	ready func(n int) // off the clock, before n calls of ours or of the limit; nil where calls use nothing up
}

// result is what came of a comparison.
type result struct {
	ours, limit             time.Duration // median of the wall time per call
	ratio                   float64       // median of ours/limit within a cycle
	noise                   float64       // median of limit/limit within a cycle, the A/A row
	noiseLow, noiseHigh     float64       // 8 of 10 cycles had an A/A ratio between these
	oursAllocs, limitAllocs float64       // allocations per call
}

// How long a block takes, about: long against the clock and the start of
// goroutines, short against the changes in the machine's load.
const (
	shortBlock = 4 * time.Millisecond
	longBlock  = 20 * time.Millisecond // several collections of a small heap
	waitBlock  = 50 * time.Millisecond // hundreds of calls that do not wait for a disk
)

// waitCalls is how many calls of each goroutine a block has at least that waits for a
// server.
const waitCalls = 20

// compare runs blocks of calls of ours, of the limit and of the limit once more,
// shuffled, in cycles. Only the ratios within a cycle are looked at: what else the
// machine does changes from cycle to cycle, and hardly within one.
func compare(c comparison, cycles int) result {
	var times [3][]time.Duration
	blocks := [3]block{c.ours, c.limit, c.limit}
	n := calls(c)
	order := []int{0, 1, 2}
	for range cycles {
		rand.Shuffle(3, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			times[i] = append(times[i], c.measure(blocks[i], n))
		}
	}
	ratios, noise := quotients(times[0], times[1]), quotients(times[2], times[1])
	return result{
		ours:        quantile(times[0], 0.5) / time.Duration(n),
		limit:       quantile(times[1], 0.5) / time.Duration(n),
		ratio:       quantile(ratios, 0.5),
		noise:       quantile(noise, 0.5),
		noiseLow:    quantile(noise, 0.1),
		noiseHigh:   quantile(noise, 0.9),
		oursAllocs:  c.allocs(c.ours),
		limitAllocs: c.allocs(c.limit),
	}
}

// calls is how many calls fill a block.
func calls(c comparison) int {
	want, n := shortBlock, c.goroutines
	switch {
	case c.waits:
		want, n = waitBlock, waitCalls*c.goroutines
	case c.allocates:
		want = longBlock
	}
	for n < 1<<24 && c.measure(c.limit, n) < want/2 {
		n *= 2
	}
	c.measure(c.ours, n)
	return n
}

func (c comparison) measure(b block, n int) time.Duration {
	c.prepare(n)
	return measure(b, c.goroutines, n)
}

func (c comparison) prepare(n int) {
	if c.ready != nil {
		c.ready(n)
	}
}

// measure returns the wall time of n calls shared by the goroutines.
func measure(b block, goroutines, n int) time.Duration {
	start := time.Now()
	if goroutines == 1 {
		b(0, n)
		return time.Since(start)
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() { b(g, (n+g)/goroutines) })
	}
	wg.Wait()
	return time.Since(start)
}

// allocs is exact, which a time never is: a fraction is seldom, not imprecise.
func (c comparison) allocs(b block) float64 {
	n := 1000
	if c.waits {
		n = 200
	}
	c.prepare(2 * n) // it runs once before it counts
	return testing.AllocsPerRun(1, func() { b(0, n) }) / float64(n)
}

func quotients(a, b []time.Duration) []float64 {
	q := make([]float64, len(a))
	for i := range a {
		q[i] = float64(a[i]) / float64(b[i])
	}
	return q
}

// quantile returns the value that the share at of them does not exceed.
func quantile[T int64 | float64 | time.Duration](values []T, at float64) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(int(at*float64(len(sorted))), len(sorted)-1)]
}
