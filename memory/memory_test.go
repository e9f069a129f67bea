package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

var ctx = context.Background()

func TestLoadAllocatesNothing(t *testing.T) {
	s := memory.New(nil)
	if _, err := s.Create(ctx, "id", store.Record{Data: make([]byte, 512), Owner: "o"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for what, id := range map[string]string{"a hit": "id", "a miss": "none"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = s.Load(ctx, id) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", what, n)
		}
	}
}

// A store at its limit turns newcomers away, and nobody who is there.
func TestLimits(t *testing.T) {
	for name, opts := range map[string]memory.Options{
		"sessions": {MaxSessions: 10},
		"bytes":    {MaxBytes: 10 * (2 + 5 + 1)}, // id, data, owner
	} {
		t.Run(name, func(t *testing.T) {
			var gone atomic.Int64
			opts.Now = func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }
			s := memory.New(&opts)
			rec := store.Record{Data: []byte("12345"), Owner: "o"}
			var full, made atomic.Int64
			var wg sync.WaitGroup
			for i := range 40 {
				wg.Go(func() {
					switch _, err := s.Create(ctx, fmt.Sprintf("%02d", i), rec, time.Hour); {
					case err == nil:
						made.Add(1)
					case errors.Is(err, store.ErrFull):
						full.Add(1)
					default:
						t.Errorf("Create: %v", err)
					}
				})
			}
			wg.Wait()
			if made.Load() != 10 || full.Load() != 30 {
				t.Fatalf("%d created and %d refused, want 10 and 30", made.Load(), full.Load())
			}
			if n, err := s.Count(ctx); n != 10 || err != nil {
				t.Errorf("Count is %d, %v, want 10: nobody live is evicted", n, err)
			}
			gone.Add(int64(2 * time.Hour))
			for i := range 10 {
				if _, err := s.Create(ctx, fmt.Sprintf("n%d", i), rec, time.Hour); err != nil {
					t.Errorf("the expired keep a newcomer out: %v", err)
				}
			}
			if _, err := s.Create(ctx, "nx", rec, time.Hour); !errors.Is(err, store.ErrFull) {
				t.Errorf("full again: got %v, want ErrFull", err)
			}
			if err := s.Delete(ctx, "n0"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Create(ctx, "nx", rec, time.Hour); err != nil {
				t.Errorf("after a Delete: %v", err)
			}
		})
	}
}

// An Update that would grow over the limit changes nothing.
func TestUpdateOverTheLimitChangesNothing(t *testing.T) {
	s := memory.New(&memory.Options{MaxBytes: 20})
	rev, err := s.Create(ctx, "id", store.Record{Data: make([]byte, 10)}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(ctx, "id", store.Record{Data: make([]byte, 30)}, time.Hour, rev); !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if e, err := s.Load(ctx, "id"); err != nil || e.Revision != rev || len(e.Data) != 10 {
		t.Errorf("after it: %d bytes, %v", len(e.Data), err)
	}
	if _, err := s.Update(ctx, "id", store.Record{Data: make([]byte, 18)}, time.Hour, rev); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
}

// Each Create removes two of the dead, so that they never outnumber what was
// created since.
func TestCreateRemovesTheExpired(t *testing.T) {
	var gone atomic.Int64
	s := memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }})
	for i := range 5000 {
		if _, err := s.Create(ctx, fmt.Sprint("old", i), store.Record{}, time.Duration(1+i*7%100)*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	gone.Add(int64(2 * time.Hour))
	for i := range 5000 {
		if _, err := s.Create(ctx, fmt.Sprint("new", i), store.Record{}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if n := memory.Rows(s); n != 5000 {
		t.Errorf("%d records are there after 5,000 expired and 5,000 were created, want 5,000", n)
	}
}

func TestLongestLifeDoesNotOverflow(t *testing.T) {
	var gone atomic.Int64
	s := memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }})
	gone.Add(int64(time.Hour))
	if _, err := s.Create(ctx, "id", store.Record{}, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	gone.Add(int64(100 * 365 * 24 * time.Hour))
	if e, err := s.Load(ctx, "id"); err != nil || e.TTL <= 0 {
		t.Errorf("a hundred years later: %v left, %v", e.TTL, err)
	}
}

func TestOpener(t *testing.T) {
	s, err := store.Open(ctx, "memory:?max_sessions=1&max_data=3", memory.Opener)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, "a", store.Record{Data: []byte("1234")}, 1); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("max_data: got %v, want ErrTooLarge", err)
	}
	if _, err := s.Create(ctx, "a", store.Record{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, "b", store.Record{}, time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("max_sessions: got %v, want ErrFull", err)
	}
	for _, url := range []string{
		"memory:x", "memory://host", "memory:///path", "memory:?max=1", "memory:?max_data=0", "memory:?max_data=x", "memory:?max_data=-1",
		"memory:?max_data=1&max_data=2", "memory:?%zz", "memory:#f", "memory://\x00", "memory:?max_bytes=99999999999999999999",
	} {
		if _, err := store.Open(ctx, url, memory.Opener); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", url, err)
		}
	}
}
