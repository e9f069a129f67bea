package conformance_test

import (
	"context"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

// benched counts what a benchmark does to a store.
type benched struct {
	*memory.Store
	live, peak, opened atomic.Int64
}

func (s *benched) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	rev, err := s.Store.Create(ctx, id, rec, ttl)
	if err == nil {
		if n := s.live.Add(1); n > s.peak.Load() {
			s.peak.Store(n)
		}
	}
	return rev, err
}

func (s *benched) Delete(ctx context.Context, id string) error {
	if _, err := s.Load(ctx, id); err == nil {
		s.live.Add(-1)
	}
	return s.Store.Delete(ctx, id)
}

// Every benchmark runs, removes what it made, and stays small.
func TestBench(t *testing.T) {
	times := flag.Lookup("test.benchtime")
	old := times.Value.String()
	if err := times.Value.Set("10000x"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = times.Value.Set(old) }()

	s := &benched{Store: memory.New(nil)}
	testing.Benchmark(func(b *testing.B) {
		conformance.Bench(b, func(testing.TB) conformance.Subject {
			s.opened.Add(1)
			return conformance.Subject{Store: s}
		})
		if n, err := s.Count(b.Context()); n != 0 || err != nil {
			t.Errorf("after the benchmarks Count is %d, %v, want 0", n, err)
		}
		if b.Failed() {
			t.Error("a benchmark failed")
		}
	})
	if s.opened.Load() != 1 {
		t.Errorf("opened %d times, want once", s.opened.Load())
	}
	if n := s.peak.Load(); n < 1024 || n > 4096 {
		t.Errorf("at most %d sessions were there at once, want 1,024 to 4,096", n)
	}
}
