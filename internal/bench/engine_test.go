package main

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// spin makes each call take d.
func spin(d time.Duration, calls *atomic.Int64) block {
	return func(_, n int) {
		calls.Add(int64(n))
		for end := time.Now().Add(time.Duration(n) * d); time.Now().Before(end); {
		}
	}
}

var sinks [16]*[64]byte

// What is compared here waits by the clock, so that its ratio is known whatever
// the machine does; no bound below is one of speed.
func TestCompareMakesTheSameCallsOfBoth(t *testing.T) {
	for _, goroutines := range []int{1, 16} {
		var ours, limit atomic.Int64
		r := compare(comparison{
			goroutines: goroutines,
			ours: func(g, n int) {
				spin(2*time.Microsecond, &ours)(g, n)
				for range n {
					sinks[g] = new([64]byte)
				}
			},
			limit: spin(time.Microsecond, &limit),
		}, 5)
		if r.ratio <= 0 || r.noise <= 0 || r.noiseLow > r.noise || r.noise > r.noiseHigh {
			t.Errorf("%d goroutines: ratio %v, A/A %v (%v to %v)", goroutines, r.ratio, r.noise, r.noiseLow, r.noiseHigh)
		}
		if r.oursAllocs < 1 || r.limitAllocs != 0 {
			t.Errorf("%d goroutines: %v and %v allocations, want 1 and 0", goroutines, r.oursAllocs, r.limitAllocs)
		}
		if ours.Load() == 0 || limit.Load() <= ours.Load() {
			t.Errorf("%d goroutines: %d calls of ours, %d of the limit, which runs twice in a cycle", goroutines, ours.Load(), limit.Load())
		}
	}
}

// What calls use up is made ready before they are timed or counted, and is enough.
func TestCompareMakesReady(t *testing.T) {
	for _, goroutines := range []int{1, 3} {
		var left atomic.Int64
		most, short := 0, atomic.Bool{}
		use := func(_, n int) {
			if left.Add(int64(-n)) < 0 {
				short.Store(true)
			}
		}
		compare(comparison{
			goroutines: goroutines, waits: true, ours: use, limit: use,
			ready: func(n int) { most = max(most, n); left.Store(int64(n)) },
		}, 2)
		if short.Load() || most == 0 {
			t.Errorf("%d goroutines: there was too little of it: %v; at most %d", goroutines, short.Load(), most)
		}
	}
}

func TestMeasureSharesTheCalls(t *testing.T) {
	var calls atomic.Int64
	for _, n := range []int{1, 15, 16, 17, 1000} {
		calls.Store(0)
		measure(func(_, n int) { calls.Add(int64(n)) }, 16, n)
		if calls.Load() != int64(n) {
			t.Errorf("%d calls shared by 16 became %d", n, calls.Load())
		}
	}
}

func TestQuantile(t *testing.T) {
	for at, want := range map[float64]int64{0: 1, 0.5: 3, 0.9: 5, 1: 5} {
		if got := quantile([]int64{5, 1, 3, 2, 4}, at); got != want {
			t.Errorf("quantile at %v is %d, want %d", at, got, want)
		}
	}
	var l latencies
	for i := range 10_000 {
		l.add(time.Duration(i) * time.Microsecond) // half a per cent of them far beyond what is counted in tens
	}
	for at, want := range map[float64]time.Duration{0: 0, 0.05: 500 * time.Microsecond, 0.5: 5 * time.Millisecond, 1: 9999 * time.Microsecond} {
		if got := l.quantile(at); got != want {
			t.Errorf("latency at %v is %v, want %v", at, got, want)
		}
	}
}

func TestRunPrintsATable(t *testing.T) {
	all := []row{
		{"fast", func(int) ([]line, error) {
			r := result{ours: 100, limit: 90, ratio: 1.11, noise: 1, noiseLow: 0.9, noiseHigh: 1.1, oursAllocs: 1}
			return []line{r.line("fast", target{1.2, 2}), r.line("fast, only shown", target{allocs: -1})}, nil
		}},
		{"slow", func(int) ([]line, error) {
			return []line{result{ratio: 1.3}.line("slow", target{1.2, 0}), result{ratio: 1, oursAllocs: 3}.line("hungry", target{1.2, 2})}, nil
		}},
		{"broken", func(int) ([]line, error) { return nil, errors.New("no server") }},
	}
	var out strings.Builder
	if err := run(&out, all, "fast|slow", 100); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| fast, only shown | 100 ns | 90 ns | 1.11 | 1.00 (0.90 to 1.10) | 1 / 0 |  |  |\n",
		"| fast | 100 ns | 90 ns | 1.11 | 1.00 (0.90 to 1.10) | 1 / 0 | x1.2, 2 allocs more | yes |\n",
		"| slow | 0 ns | 0 ns | 1.30 |", "| x1.2, 0 allocs more | **no** |", "| hungry |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
	if err := run(&out, all, "broken", 100); err == nil || !strings.Contains(err.Error(), "broken: no server") {
		t.Errorf("a row that fails: %v", err)
	}
	for _, bad := range []struct {
		only   string
		cycles int
	}{{"(", 100}, {"", 0}} {
		if err := run(&out, nil, bad.only, bad.cycles); err == nil {
			t.Errorf("-run %q -cycles %d: no error", bad.only, bad.cycles)
		}
	}
}
