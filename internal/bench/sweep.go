package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// sweep measures single loads of live sessions while Sweep removes a crowd that has
// expired, and as long from the same store quiet, before and afterwards. Others use it
// meanwhile, in both. settle ends what the Sweep has left to do.
func sweep(name string, s interface {
	store.Store
	store.Sweeper
}, live []string, expired int, still time.Duration, settle func() error,
) ([]line, error) {
	var quiet, busy watch
	wait := func(d time.Duration) func() error { return func() error { time.Sleep(d); return nil } }
	if err := loadsWith(s, live, &quiet, wait(still)); err != nil {
		return nil, err
	}
	var took time.Duration
	if err := loadsWith(s, live, &busy, func() error {
		start := time.Now()
		n, err := s.Sweep(ctx)
		if took = time.Since(start); err == nil && n != expired {
			err = fmt.Errorf("swept %d, want %d", n, expired)
		}
		return err
	}); err != nil {
		return nil, err
	}
	if err := settle(); err != nil {
		return nil, err
	}
	// The longest of many is longer than the longest of few.
	if err := loadsWith(s, live, &quiet, wait(max(0, took-still))); err != nil {
		return nil, err
	}
	return swept(name, expired, took, &busy, &quiet), nil
}

// swept are the lines about loads during a Sweep that took so long.
func swept(store string, expired int, took time.Duration, busy, quiet *watch) []line {
	var lines []line
	for _, q := range []struct {
		what string
		of   func(w *watch) time.Duration
	}{
		{"the longest load", func(w *watch) time.Duration { return w.quantile(1) }},
		{"the longest load of a second (median)", func(w *watch) time.Duration { return quantile(w.seconds, 0.5) }},
		{"p99 of a load", func(w *watch) time.Duration { return w.quantile(0.99) }},
		{"p50 of a load", func(w *watch) time.Duration { return w.quantile(0.5) }},
	} {
		ours, limit := q.of(busy), q.of(quiet)
		lines = append(lines, line{
			what: fmt.Sprintf("%s, %s during a Sweep of %d expired", store, q.what, expired),
			ours: duration(ours), limit: duration(limit), ratio: fmt.Sprintf("%.2f", float64(ours)/float64(limit)),
			noise: fmt.Sprintf("%d loads in %.1f s, %d quiet ones", busy.n, took.Seconds(), quiet.n),
		})
	}
	lines[0].target, lines[0].reached = "x2", busy.quantile(1) <= 2*quiet.quantile(1)
	return lines
}

// watch is how long loads took. One that something else on the machine held up is the
// longest of all, but of one second only.
type watch struct {
	latencies
	seconds []time.Duration // the longest of each
	began   time.Time       // of the last one
}

func (w *watch) add(start time.Time, d time.Duration) {
	w.latencies.add(d)
	if len(w.seconds) == 0 || start.Sub(w.began) >= time.Second {
		w.seconds, w.began = append(w.seconds, 0), start
	}
	last := &w.seconds[len(w.seconds)-1]
	*last = max(*last, d)
}

// loadsWith loads live sessions, one after the other, while work is done and others use
// the table.
func loadsWith(s store.Store, live []string, w *watch, work func() error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var failed failure
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() { failed.note(use(ctx, s, live[g*len(live)/4:][:len(live)/4])) })
	}
	var done atomic.Bool
	wg.Go(func() {
		failed.note(work())
		done.Store(true)
	})
	for !done.Load() && failed.err() == nil {
		start := time.Now()
		err := load(context.WithoutCancel(ctx), s, live[rand.N(len(live))])
		w.add(start, time.Since(start))
		failed.note(err)
		time.Sleep(100 * time.Microsecond) // the machine has other things to do as well
	}
	end()
	wg.Wait()
	return failed.err()
}

// use does what the visitors of sessions do, until ctx is done.
func use(ctx context.Context, s store.Store, ids []string) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ctx, id := context.WithoutCancel(ctx), ids[rand.N(len(ids))]
		e, err := s.Load(ctx, id)
		switch {
		case err != nil:
		case n%4 == 0:
			_, err = s.Update(ctx, id, store.Record{Data: e.Data, Owner: e.Owner}, 24*time.Hour, e.Revision)
		default:
			err = s.Touch(ctx, id, 24*time.Hour)
		}
		if err != nil {
			return err
		}
	}
}
