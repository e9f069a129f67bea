package conformance

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Bench measures the verbs of the store that open makes, one call of a verb per
// operation. It calls open once, with b. The benchmarks are named
//
//	Load/hit/512B/1   what, bytes of data in each session, goroutines
//
// with Load/hit, Load/miss, Create, Update, Touch, Delete and Mixed; 512B and
// 8KiB; 1 and 16 goroutines. The 16 are 16, on any number of processors, and
// share the operations evenly: ns/op is the time that went by divided by the
// operations of all of them, so that more than at 1 goroutine means that they
// hinder one another. MB/s counts the data that was read or written.
//
// Ids are 43 random characters, as a manager's are. Reads and updates go over
// 1,024 live sessions, each goroutine over its own; they are nobody's, since an
// owner may cost an index. What is created is removed again, 4,096 at a time and
// outside of the measured time, so that a store of any number of operations
// stays small.
//
// Mixed is what a site's traffic looks like to a store: of 20 calls 13 loads
// that hit and 1 that misses, 2 updates, 2 touches, 1 delete and 1 create. Here
// half of the sessions have an owner, each its own.
func Bench(b *testing.B, open Open) {
	sub := open(b)
	if sub.Store == nil {
		b.Fatal("open returned a Subject without a Store")
	}
	b.Cleanup(func() { _ = store.Close(sub.Store) })
	for _, w := range benchWork {
		for _, size := range benchSizes {
			for _, goroutines := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/%s/%d", w.name, size.name, goroutines), func(b *testing.B) {
					f := &benchmark{B: b, s: sub.Store, ctx: b.Context(), data: make([]byte, size.bytes), goroutines: goroutines}
					_, _ = rand.Read(f.data) // a server that compresses finds nothing to save
					b.ReportAllocs()
					if w.moves {
						b.SetBytes(int64(size.bytes))
					}
					w.run(f)
				})
			}
		}
	}
}

const (
	benchLive  = 1024 // sessions that reads and updates go over
	benchBatch = 4096 // calls between two moments outside of the measured time
	benchTTL   = time.Hour
)

var benchSizes = []struct {
	name  string
	bytes int
}{{"512B", 512}, {"8KiB", 8 << 10}}

var benchWork = []struct {
	name  string
	moves bool // each call reads or writes the data
	run   func(*benchmark)
}{
	{"Load/hit", true, (*benchmark).loadHit},
	{"Load/miss", false, (*benchmark).loadMiss},
	{"Create", true, (*benchmark).create},
	{"Update", true, (*benchmark).update},
	{"Touch", false, (*benchmark).touch},
	{"Delete", false, (*benchmark).delete},
	{"Mixed", false, (*benchmark).mixed},
}

// benchmark is one of them.
type benchmark struct {
	*testing.B
	s          store.Store
	ctx        context.Context // not done before the benchmark's cleanups
	data       []byte
	goroutines int
}

// slot is a session that one goroutine has for itself.
type slot struct {
	id       string
	owner    string
	revision store.Revision
}

func (f *benchmark) record(x *slot) store.Record { return store.Record{Data: f.data, Owner: x.owner} }

// share splits n calls over the goroutines, waits for all of them, and ends the
// benchmark at the first error. Goroutine g is told how many of the calls are its.
func (f *benchmark) share(n int, work func(g, calls int) error) {
	errs := make([]error, f.goroutines)
	var wg sync.WaitGroup
	for g := range f.goroutines {
		calls := n / f.goroutines
		if g < n%f.goroutines {
			calls++
		}
		wg.Go(func() { errs[g] = work(g, calls) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		f.Fatal(err)
	}
}

// live makes the sessions, an equal part for each goroutine, and removes them
// when the benchmark is over.
func (f *benchmark) live(owned bool) [][]slot {
	slots := make([][]slot, f.goroutines)
	for g := range slots {
		slots[g] = newSlots(benchLive/f.goroutines, owned)
	}
	f.Cleanup(func() {
		for _, mine := range slots {
			for i := range mine {
				_ = f.s.Delete(context.WithoutCancel(f.ctx), mine[i].id)
			}
		}
	})
	f.share(f.goroutines, func(g, _ int) error { return f.createAll(slots[g]) })
	return slots
}

func (f *benchmark) createAll(slots []slot) (err error) {
	for i := range slots {
		if slots[i].revision, err = f.s.Create(f.ctx, slots[i].id, f.record(&slots[i]), benchTTL); err != nil {
			return err
		}
	}
	return nil
}

func (f *benchmark) deleteAll(slots []slot) error {
	for i := range slots {
		if err := f.s.Delete(f.ctx, slots[i].id); err != nil {
			return err
		}
	}
	return nil
}

func newSlots(n int, owned bool) []slot {
	slots := make([]slot, n)
	for i := range slots {
		slots[i].id = randomID()
		if owned && i%2 == 0 {
			slots[i].owner = "user:" + slots[i].id[:8]
		}
	}
	return slots
}

func randomID() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// each calls work b.N times, for one live session after the other.
func (f *benchmark) each(work func(x *slot) error) {
	slots := f.live(false)
	f.ResetTimer()
	f.share(f.N, func(g, calls int) error {
		mine := slots[g]
		for i := range calls {
			if err := work(&mine[i%len(mine)]); err != nil {
				return err
			}
		}
		return nil
	})
	f.StopTimer()
}

func (f *benchmark) loadHit() {
	f.each(func(x *slot) error {
		e, err := f.s.Load(f.ctx, x.id)
		if err == nil && len(e.Data) != len(f.data) {
			err = fmt.Errorf("Load returned %d bytes, want %d", len(e.Data), len(f.data))
		}
		return err
	})
}

func (f *benchmark) loadMiss() {
	absent := newSlots(benchLive, false)
	f.live(false) // not an empty store
	f.ResetTimer()
	f.share(f.N, func(g, calls int) error {
		for i := range calls {
			if err := f.miss(absent[(g+i)%len(absent)].id); err != nil {
				return err
			}
		}
		return nil
	})
	f.StopTimer()
}

func (f *benchmark) miss(id string) error {
	if _, err := f.s.Load(f.ctx, id); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("Load of a missing session: got %v, want %w", err, store.ErrNotFound)
	}
	return nil
}

func (f *benchmark) update() {
	f.each(func(x *slot) (err error) {
		x.revision, err = f.s.Update(f.ctx, x.id, f.record(x), benchTTL, x.revision)
		return err
	})
}

func (f *benchmark) touch() {
	f.each(func(x *slot) error { return f.s.Touch(f.ctx, x.id, benchTTL) })
}

func (f *benchmark) create() { f.batches(f.createAll, nil, f.deleteAll) }
func (f *benchmark) delete() { f.batches(f.deleteAll, f.createAll, nil) }

// batches calls measured for b.N new sessions, and before and after for them
// outside of the measured time.
func (f *benchmark) batches(measured, before, after func([]slot) error) {
	f.StopTimer()
	f.ResetTimer()
	for left := f.N; left > 0; left -= benchBatch {
		n := min(left, benchBatch)
		slots := make([][]slot, f.goroutines)
		f.share(n, func(g, calls int) error {
			slots[g] = newSlots(calls, false)
			if before == nil {
				return nil
			}
			return before(slots[g])
		})
		f.StartTimer()
		f.share(n, func(g, _ int) error { return measured(slots[g]) })
		f.StopTimer()
		if after != nil {
			f.share(n, func(g, _ int) error { return after(slots[g]) })
		}
	}
}

func (f *benchmark) mixed() {
	slots := f.live(true)
	absent := randomID()
	f.ResetTimer()
	f.share(f.N, func(g, calls int) error {
		mine := slots[g][1:] // 63 or 1,023, prime to the 10 pairs of a round: each session meets each call
		for i := range calls {
			if err := f.mixedCall(i%20, &mine[i/2%len(mine)], absent); err != nil {
				return err
			}
		}
		return nil
	})
	f.StopTimer()
}

// mixedCall makes the call at this place of a round of 20. Two calls in a row
// are for the same session, so that the one deleted is created again by the next.
func (f *benchmark) mixedCall(place int, x *slot, absent string) (err error) {
	switch place {
	case 3:
		return f.miss(absent)
	case 5, 15:
		x.revision, err = f.s.Update(f.ctx, x.id, f.record(x), benchTTL, x.revision)
	case 7, 17:
		err = f.s.Touch(f.ctx, x.id, benchTTL)
	case 10:
		err = f.s.Delete(f.ctx, x.id)
	case 11:
		x.revision, err = f.s.Create(f.ctx, x.id, f.record(x), benchTTL)
	default:
		_, err = f.s.Load(f.ctx, x.id)
	}
	return err
}
