package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

const (
	crowd  = 1_000_000 // sessions that expire at once
	rounds = 6         // of the expiry of a crowd
)

// expiry measures single loads of live sessions of a store while a crowd of its
// others has expired and is cleaned up, by creates and then by Sweep.
//
// A load takes longer as soon as anything else keeps the processors, the caches
// and the collector busy. What the expiry does to it is seen against the same
// store, quiet, while all that goes on in another one beside it.
func expiry(int) ([]line, error) {
	var sets [5][]time.Duration // p99.99 of each round
	var half [5]time.Duration   // p50 of the last
	for round := range rounds {
		a, err := newCrowded()
		if err != nil {
			return nil, err
		}
		b, err := newCrowded()
		if err != nil {
			return nil, err
		}
		phases := []struct {
			set  int
			work func() error
		}{
			{0, func() error { time.Sleep(time.Second); return nil }},
			{1, b.expireAndCreate},
			{2, a.expireAndCreate},
			{3, b.expireAndSweep},
			{4, a.expireAndSweep},
		}
		if round%2 == 1 { // what comes first may find the machine in another state
			phases[1], phases[2] = phases[2], phases[1]
			phases[3], phases[4] = phases[4], phases[3]
		}
		for i, phase := range phases {
			if i == 3 { // what the creates have left is fewer than a crowd
				if err := errors.Join(a.fill(), b.fill()); err != nil {
					return nil, err
				}
			}
			runtime.GC()
			t, err := a.loadsDuring(phase.work)
			if err != nil {
				return nil, err
			}
			sets[phase.set] = append(sets[phase.set], t.quantile(0.9999))
			half[phase.set] = t.quantile(0.5)
		}
		if err := errors.Join(a.s.Close(), b.s.Close()); err != nil {
			return nil, err
		}
	}
	var lines []line
	for i, what := range []string{
		"nothing else",
		"another store's creates cleaning up 1 M", "its creates cleaning up 1 M",
		"another store's Sweep of 1 M", "its Sweep of 1 M",
	} {
		l := line{
			what:  "memory, p99.99 of a load beside " + what,
			ours:  duration(quantile(sets[i], 0.5)),
			noise: fmt.Sprintf("%s to %s, p50 %s", duration(slices.Min(sets[i])), duration(slices.Max(sets[i])), duration(half[i])),
		}
		if i == 2 || i == 4 {
			ratio := quantile(quotients(sets[i], sets[i-1]), 0.5)
			l.limit, l.ratio = duration(quantile(sets[i-1], 0.5)), fmt.Sprintf("%.2f", ratio)
			l.target, l.reached = "x3", ratio <= 3
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// crowded is a store with some sessions that live on and a crowd that does not.
type crowded struct {
	s    *memory.Store
	gone atomic.Int64 // how far its clock was set forward
	live []string
}

func newCrowded() (*crowded, error) {
	c := &crowded{}
	c.s = memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(c.gone.Load())) }})
	var err error
	if c.live, err = c.create(held, 1000*life); err != nil {
		return nil, err
	}
	return c, c.fill()
}

func (c *crowded) create(n int, ttl time.Duration) ([]string, error) {
	ids, data := newIDs(n), make([]byte, dataBytes)
	for i, id := range ids {
		if _, err := c.s.Create(ctx, id, store.Record{Data: data, Owner: fmt.Sprintf("user:%06d", i)}, ttl); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// fill makes it a crowd again.
func (c *crowded) fill() error {
	n, err := c.s.Count(ctx)
	if err != nil {
		return err
	}
	_, err = c.create(crowd+held-n, life)
	return err
}

// expireAndCreate makes as many creates as remove a crowd.
func (c *crowded) expireAndCreate() error {
	c.gone.Add(int64(2 * life))
	_, err := c.create(crowd/2, life)
	return err
}

func (c *crowded) expireAndSweep() error {
	c.gone.Add(int64(2 * life))
	n, err := c.s.Sweep(ctx)
	if err == nil && n != crowd {
		err = fmt.Errorf("swept %d, want %d", n, crowd)
	}
	return err
}

// loadsDuring loads one live session after the other while work is done.
func (c *crowded) loadsDuring(work func() error) (*latencies, error) {
	var done atomic.Bool
	failed := make(chan error, 1)
	go func() {
		err := work()
		done.Store(true)
		failed <- err
	}()
	t := &latencies{}
	for i := 0; !done.Load(); i++ {
		start := time.Now()
		_, err := c.s.Load(ctx, c.live[i%len(c.live)])
		t.add(time.Since(start))
		if err != nil {
			return nil, err
		}
	}
	return t, <-failed
}

// latencies counts durations, to 10 ns each.
type latencies struct {
	short [1 << 17]uint32 // by 10 ns
	long  []time.Duration // beyond, about 1.3 ms
	n     int
}

func (t *latencies) add(d time.Duration) {
	t.n++
	if i := int(d / 10); i < len(t.short) {
		t.short[i]++
	} else {
		t.long = append(t.long, d)
	}
}

// quantile returns the duration that the share at of them does not exceed.
func (t *latencies) quantile(at float64) time.Duration {
	left := int(at * float64(t.n))
	for i, n := range t.short {
		if left -= int(n); left < 0 || left == 0 && at == 1 {
			return time.Duration(i) * 10
		}
	}
	return quantile(t.long, float64(left)/float64(len(t.long)))
}

// locks has the memory store's own benchmark count how long its locks are held,
// which nobody outside of it can see.
func locks(int) ([]line, error) {
	if runtime.GOOS != "linux" {
		return nil, nil // no processor time of a single thread
	}
	cmd := exec.CommandContext(context.Background(), "go", "test", "-run", "^$", "-bench", "^BenchmarkLocks$", "-benchtime", "1x",
		"github.com/sojourn-go/sojourn/memory")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	metric := func(name string) float64 {
		m := regexp.MustCompile(`([\d.e+]+) ` + name + `\s`).FindSubmatch(out)
		if m == nil {
			err = fmt.Errorf("the benchmark shows no %s:\n%s", name, out)
			return 0
		}
		v, _ := strconv.ParseFloat(string(m[1]), 64)
		return v
	}
	var lines []line
	for _, phase := range []string{"clean", "grow"} {
		what := map[string]string{"clean": "while 1 M expired are cleaned up", "grow": "while 1 M are created"}[phase]
		work := time.Duration(metric(phase + "-work-ns"))
		l := line{
			what: "memory, longest work under one lock " + what,
			ours: duration(work),
			noise: fmt.Sprintf("%.0f of %.0f over 1 ms, at most %.0f sessions moved; by the wall clock %s, %.0f over 1 ms",
				metric(phase+"-over-1ms"), metric(phase+"-locks"), metric(phase+"-moved"),
				duration(time.Duration(metric(phase+"-wall-ns"))), metric(phase+"-wall-over-1ms")),
		}
		if phase == "clean" {
			l.target, l.reached = "1 ms", work <= time.Millisecond
		}
		lines = append(lines, l)
	}
	return lines, err
}
