package conformance

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func list1(t *T) {
	f := t.subject()
	const n, every = 1100, 33 // sessions, and after how many of them something changes
	stable := t.newIDs(n)
	f.fill(stable, plain("o"), hour)
	for _, q := range []store.Query{{}, {Owner: "o"}} {
		if q.Owner != "" && !f.keepsOwners() {
			return
		}
		doomed := t.newIDs(n / every)
		f.fill(doomed, plain("o"), hour)
		seen := map[string]int{}
		k := 0
		for l, err := range store.List(t.ctx, f.s, q) {
			f.needs(err, "List")
			f.must("List while sessions come and go", err)
			seen[l.ID]++
			k++
			step := k / every
			if k%every != 1 || step >= len(doomed) {
				continue
			}
			// The set changes under the listing's feet, in every way that changes
			// an order that a listing may go by: an id, a deadline, a place.
			var e store.Entry
			gets := f.getsOn(step == 0,
				func() (err error) { e, err = f.Load(stable[3*step]); return },
				func() error {
					return second(f.Update(stable[3*step], store.Record{Owner: "o", Data: t.text(20)}, 3*hour, e.Revision))
				},
				func() error { return f.Delete(doomed[step]) },
				func() error { return f.Touch(stable[3*step+1], 2*hour) },
				func() error { return f.Touch(stable[n-1-3*step], hour/2) },
				func() error { return second(f.Create(t.newID(), plain("p"), hour)) },
			)
			if step == 10 && q.Owner == "" {
				f.fill(t.newIDs(1000), plain("p"), hour) // what is a hash table has to grow
			}
			if !gets {
				t.Errorf("calls in the middle of a listing wait until it is over: it holds a lock, or the only connection")
				break
			}
		}
		if t.Failed() {
			return
		}
		missing, twice := 0, 0
		for _, id := range stable {
			if seen[id] == 0 {
				missing++
			}
		}
		for _, times := range seen {
			if times > 1 {
				twice++
			}
		}
		t.trace.add("-- List while others were created, updated, touched and deleted: %d sessions", len(seen))
		if missing > 0 || twice > 0 {
			t.Errorf("of %d sessions that were live throughout the listing %d are missing; %d sessions came more than once", n, missing, twice)
			return
		}
	}
}

// getsOn makes calls in the middle of a listing and reports whether they
// returned. Only the first time need be watched: what holds them up does so at
// once.
func (f *fixture) getsOn(watched bool, calls ...func() error) bool {
	for _, call := range calls {
		made := func() {
			err := call()
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
				f.t.Errorf("a call in the middle of a listing: %s", errText(err))
			}
		}
		if !watched {
			made()
			continue
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.t.guard(made)
		}()
		if locked(done) {
			return false
		}
		patience := time.NewTimer(f.callTimeout() + 5*time.Second)
		select {
		case <-done:
			patience.Stop()
		case <-patience.C:
			return false
		}
	}
	return true
}

func list2(t *T) {
	f := t.subject()
	const stops = 40 // twice: more than any pool has connections
	f.fill(t.newIDs(600), plain("o"), hour)
	pkg := packageOf(f.s)
	stop := func(q store.Query) {
		patient, cancel := f.patient()
		defer cancel()
		for _, err := range store.List(patient, f.s, q) {
			f.needs(err, "List")
			f.must("List, after others were stopped early", err)
			break
		}
	}
	var before, after int
	labelled(t.ctx, func(goroutines func(pkg string) int) {
		stop(store.Query{})
		before = goroutines(pkg)
		for range stops {
			stop(store.Query{Owner: "o"})
			stop(store.Query{Data: true})
		}
		t.eventually(time.Second, func() bool { after = goroutines(pkg); return after <= before })
	})
	if after > before {
		t.Errorf("%d goroutines of the store are left after %d listings that were stopped early", after-before, 2*stops)
	}
	patient, cancel := f.patient()
	defer cancel()
	c := f.at(patient)
	id := t.newID()
	c.create(id, t.record(""), hour)
	c.update(id, t.record(""), hour, c.load(id).Revision)
	c.delete(id)
}

func list3(t *T) {
	f := t.subject()
	const n, bytesEach, bound = 1600, 4 << 10, 1000
	if f.MaxData > 0 && f.MaxData < bytesEach {
		t.doesNotApply("sessions of this store are too small to weigh")
	}
	empty := heap()
	ids := t.newIDs(n)
	f.fill(ids, store.Record{Data: make([]byte, bytesEach)}, hour)
	failed := make([]bool, n)
	held, rest, first := 0, 0, true
	for l, err := range store.List(t.ctx, f.s, store.Query{Data: true}) {
		f.needs(err, "List")
		f.must("List", err)
		if !first {
			rest++
			continue
		}
		first = false
		if !f.getsOn(true, func() error { return f.Delete(f.t.newID()) }) {
			return // LIST-1 tells of it
		}
		t.together(workers, func(w int) {
			for i := w; i < n; i += workers {
				if ids[i] != l.ID {
					failed[i] = f.s.Delete(t.ctx, ids[i]) != nil
				}
			}
		})
		for i, id := range ids {
			if failed[i] {
				_ = f.s.Delete(t.ctx, id) // alone; what fails again stays, and is weighed
			}
		}
		held = int(heap()-empty) / bytesEach
	}
	t.trace.add("-- List with data, all deleted after its first session: about %d sessions held in memory, %d more yielded", held, rest)
	// What was not yielded afterwards was not held either, whatever the heap says.
	if held > bound && rest > bound {
		t.Errorf("List holds about %d of %d sessions in memory at once", held, n)
	}
}

// heap is what is in use, after garbage was collected.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func count1(t *T) {
	f := t.subject()
	want := func(when string, n int) {
		if got := f.count(); got != n {
			t.Errorf("Count %s is %d, want %d", when, got, n)
		}
	}
	want("of an empty store", 0)
	ids := t.newIDs(12)
	for i, id := range ids {
		f.create(id, t.record([]string{"", "o"}[i%2]), time.Duration(1+i%2*8)*hour)
	}
	want("of 12", 12)
	f.delete(ids[0])
	_ = f.Delete(ids[0])
	_, _ = f.Create(ids[1], t.record(""), hour)
	f.touch(ids[1], 10*hour)
	f.update(ids[3], t.record("p"), 9*hour, f.load(ids[3]).Revision)
	want("after a Delete, a refused Create, a Touch and an Update", 11)
	low := 11
	if f.ages("that the expired do not count") {
		f.age(2 * hour)
		want("after 5 of them expired", 6)
		low = 6
		if second(f.Create(ids[2], t.record(""), 9*hour)) == nil { // CREATE-3
			low++
		}
		_ = f.Delete(ids[4])
		want("after one of those was created again, and another deleted", low)
		_, _ = f.Sweep()
		want("after Sweep", low)
	}
	const movers = 6
	var stop atomic.Bool
	var wg sync.WaitGroup
	moved := t.newIDs(movers)
	for _, id := range moved {
		wg.Go(func() {
			for !stop.Load() && t.ctx.Err() == nil {
				t.guard(func() {
					_, _ = f.s.Create(t.ctx, id, plain("m"), hour)
					_ = f.s.Delete(t.ctx, id)
				})
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	for range t.rounds(10, 30) {
		if n, err := store.Count(t.ctx, f.s); err != nil || n < low || n > low+movers {
			t.Errorf("Count while between %d and %d sessions are live: %d, %s", low, low+movers, n, errText(err))
		}
	}
	stop.Store(true)
	wg.Wait()
	for _, id := range moved { // one of their Deletes may have failed
		_ = f.Delete(id)
	}
	want("after that", low)
}

func clear1(t *T) {
	f, other := t.subject(), t.subject()
	const who = "owner-whose-sessions-are-cleared"
	id, r := t.newID(), t.record("o")
	other.create(id, r, hour)
	f.fill(t.newIDs(520), plain(who), hour) // more than one batch of 500
	for i := range 10 {
		f.create(t.newID(), t.record("o"), time.Duration(i+1)*hour)
	}
	f.create(id, t.record("o"), hour)
	f.load(id)
	err := f.Clear()
	f.needs(err, "Clear")
	f.must("Clear", err)
	f.gone("after Clear", id)
	for _, q := range []store.Query{{}, {Owner: "o"}, {Owner: who}} {
		if out, err := f.List(q); can(err) {
			f.must("List", err)
			t.only("List after Clear", out)
		}
	}
	if n, err := f.Count(); can(err) && n != 0 {
		t.Errorf("Count after Clear is %d", n)
	}
	if f.Rows != nil {
		if n, ok := f.rows(0); !ok {
			t.Errorf("%d records are physically there after Clear", n)
		}
	}
	if f.Raw == nil {
		t.note("that no owner's name stays behind: no Subject.Raw")
	} else if !f.forgotten(who) {
		t.Errorf("an owner's name is still stored after Clear")
	}
	other.holds("another store's session after Clear", id, r, 0)
	// Nothing of what was there is left to come back.
	r.Owner = "p"
	f.create(id, r, hour)
	f.holds("created after Clear", id, r, 0)
	f.unlisted("created after Clear", "o", id)
	if n, err := f.DeleteOwner("o"); can(err) && n != 0 {
		t.Errorf("DeleteOwner after Clear, of the owner that the id had before, returned %d", n)
	}
	f.holds("after DeleteOwner of the owner that the id had before Clear", id, r, 0)
	f.must("Clear again", f.Clear())
	f.must("Clear of an empty store", f.Clear())
}
