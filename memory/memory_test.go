package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

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

// What a caller appends to what it was given is not seen by another, who was
// given the same bytes.
func TestLoadedDataHasNoRoomAfterIt(t *testing.T) {
	s := memory.New(nil)
	rev, err := s.Create(ctx, "id", store.Record{Data: make([]byte, 500)}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, errA := s.Load(ctx, "id")
		b, errB := s.Load(ctx, "id")
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		one, two := append(a.Data, 1), append(b.Data, 2)
		if one[500] != 1 || two[500] != 2 {
			t.Error("two callers appended to one another's slice")
		}
		if rev, err = s.Update(ctx, "id", store.Record{Data: make([]byte, 500)}, time.Hour, rev); err != nil {
			t.Fatal(err)
		}
	}
}

// An id may be cut out of a long header: the store must not keep all of it.
func TestStoreKeepsItsOwnCopyOfIDAndOwner(t *testing.T) {
	s := memory.New(nil)
	id, owner := strings.Repeat("i", 43), strings.Repeat("o", 20)
	create(t, s, id, "", time.Hour)
	create(t, s, "2", owner, time.Hour)
	for l, err := range s.List(ctx, store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if l.ID == id && unsafe.StringData(l.ID) == unsafe.StringData(id) {
			t.Error("the id is the caller's memory")
		}
		if l.Owner == owner && unsafe.StringData(l.Owner) == unsafe.StringData(owner) {
			t.Error("the owner is the caller's memory")
		}
	}
}

// TTL is what is left, also of a life that another call began while Load waited.
func TestTTLIsNeverMoreThanWasAskedFor(t *testing.T) {
	s := memory.New(nil)
	create(t, s, "id", "", time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				if err := s.Touch(ctx, "id", time.Hour); err != nil {
					t.Error(err)
				}
				e, err := s.Load(ctx, "id")
				if err != nil || e.TTL > time.Hour {
					t.Errorf("%v left of an hour, %v", e.TTL, err)
					return
				}
			}
		})
	}
	wg.Wait()
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

// Updates and touches remove the dead too, and a session whose life is made longer
// over and over stays.
func TestWritesRemoveTheExpired(t *testing.T) {
	var gone atomic.Int64
	s := memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }})
	const n = 3000
	for i := range n {
		create(t, s, fmt.Sprint("dead", i), "", time.Hour)
		create(t, s, fmt.Sprint("live", i), "", time.Hour)
	}
	for range 6 {
		gone.Add(int64(30 * time.Minute))
		for i := range n {
			if err := s.Touch(ctx, fmt.Sprint("live", i), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if err := memory.Check(s); err != nil {
			t.Fatal(err)
		}
	}
	if rows := memory.Rows(s); rows != n {
		t.Errorf("%d are there after %d expired, want the %d that were touched", rows, n, n)
	}
}

// However the living were touched, the dead make room; and whom a store full of
// the living turns away has locked nothing but his own shard.
func TestFullStore(t *testing.T) {
	var gone, locks atomic.Int64
	s := memory.New(&memory.Options{MaxSessions: 1000, Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }})
	memory.Watch(s, func(locked bool, _ int) {
		if locked {
			locks.Add(1)
		}
	})
	for i := range 999 {
		create(t, s, fmt.Sprint("live", i), "", time.Hour)
		if err := s.Touch(ctx, fmt.Sprint("live", i), 3*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s, "dead", "", 90*time.Minute)
	locks.Store(0)
	if _, err := s.Create(ctx, "new", store.Record{}, time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if n := locks.Load(); n != 1 {
		t.Errorf("a refusal took %d exclusive locks, want 1", n)
	}
	gone.Add(int64(2 * time.Hour)) // all are due, and one has expired
	create(t, s, "new", "", time.Hour)
	if _, err := s.Create(ctx, "newer", store.Record{}, time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("after the dead one has made room: got %v, want ErrFull", err)
	}
	locks.Store(0)
	if _, err := s.Create(ctx, "newer", store.Record{}, time.Hour); !errors.Is(err, store.ErrFull) || locks.Load() != 1 {
		t.Errorf("then: got %v with %d locks, want ErrFull with 1", err, locks.Load())
	}
	if err := memory.Check(s); err != nil {
		t.Error(err)
	}
}

// Who is refused for its bytes takes nobody's place meanwhile.
func TestRefusedForBytesTakesNoPlace(t *testing.T) {
	s := memory.New(&memory.Options{MaxSessions: 1, MaxBytes: 100})
	big := store.Record{Data: make([]byte, 200)}
	var done atomic.Bool
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for !done.Load() {
				if _, err := s.Create(ctx, fmt.Sprint("big", g), big, time.Hour); !errors.Is(err, store.ErrFull) {
					t.Errorf("200 bytes of 100: %v", err)
					return
				}
			}
		})
	}
	for range 5000 {
		if _, err := s.Create(ctx, "id", store.Record{}, time.Hour); err != nil {
			t.Errorf("there is room: %v", err)
			break
		}
		if err := s.Delete(ctx, "id"); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	wg.Wait()
}

// Many may expire between the two steps of Count.
func TestCountWhileManyExpire(t *testing.T) {
	var calls, late atomic.Int64
	s := memory.New(&memory.Options{Now: func() time.Time {
		now := time.Unix(0, 0)
		if late.Load() > 0 && calls.Add(1) > late.Load() {
			now = now.Add(2 * time.Hour)
		}
		return now
	}})
	for i := range 5000 {
		create(t, s, fmt.Sprint("short", i), "", time.Hour)
	}
	create(t, s, "long", "", 3*time.Hour)
	late.Store(64) // after one look at each shard
	if n, err := s.Count(ctx); n != 1 || err != nil {
		t.Errorf("Count is %d, %v, want 1", n, err)
	}
	if n := memory.Rows(s); n != 1 {
		t.Errorf("%d are there, want 1: Count looked at thousands with every shard locked", n)
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
