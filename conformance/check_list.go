package conformance

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// only fails unless the listing is exactly ids.
func (t *T) only(what string, out map[string]store.Entry, ids ...string) {
	for _, id := range ids {
		if _, ok := out[id]; !ok {
			t.Errorf("%s: the session %s is missing", what, short(id))
		}
	}
	if len(out) > len(ids) {
		t.Errorf("%s: %d sessions, want %d", what, len(out), len(ids))
	}
}

func owner1(t *T) {
	f := t.subject()
	owners := []string{"user", "user1", "User", "user ", "u", "user*", "us%", "user:1", "{user}", "#12:0", "Zoë", `u"'\`, ""}
	ids := map[string][]string{}
	recs := map[string]store.Record{}
	for range 3 {
		for _, o := range owners {
			id := t.newID()
			recs[id] = t.record(o)
			f.create(id, recs[id], hour)
			ids[o] = append(ids[o], id)
		}
	}
	for _, o := range owners[:len(owners)-1] {
		out := f.list(store.Query{Owner: o, Data: true})
		t.only(fmt.Sprintf("List of %q", o), out, ids[o]...)
		for id, e := range out {
			f.same(fmt.Sprintf("List of %q", o), e, recs[id], 0)
			if e.Revision == 0 || e.TTL <= 0 || e.TTL > hour+2*f.precision() {
				t.Errorf("List of %q: revision %s, %v left", o, rev(e.Revision), e.TTL)
			}
		}
	}
	t.only("List of an owner without sessions", f.list(store.Query{Owner: "nobody here"}))
	if out := f.list(store.Query{}); len(out) != len(recs) {
		t.Errorf("List of all yields %d sessions, want %d", len(out), len(recs))
	}
}

func owner2(t *T) {
	f := t.subject()
	id, stays := t.newID(), t.newID()
	f.create(stays, t.record("a"), hour)
	v := f.create(id, t.record("a"), hour)
	v = f.update(id, t.record("b"), hour, v)
	t.only("List of the old owner", f.list(store.Query{Owner: "a"}), stays)
	t.only("List of the new owner", f.list(store.Query{Owner: "b"}), id)
	v = f.update(id, t.record(""), hour, v)
	t.only("List of the owner that gave it to nobody", f.list(store.Query{Owner: "b"}))
	f.update(id, t.record("a"), hour, v)
	t.only("List of the owner that it came to", f.list(store.Query{Owner: "a"}), id, stays)
}

func owner3(t *T) {
	f := t.subject()
	const many = 620 // more than one batch of any store that works in batches of 500
	ids := t.newIDs(many)
	together(8, func(w int) {
		for i := w; i < many; i += 8 {
			if _, err := f.Create(ids[i], store.Record{Data: []byte("x"), Owner: "user"}, hour); err != nil {
				t.Errorf("Create: %s", errText(err))
				return
			}
		}
	})
	came, went, moved := t.newID(), t.newID(), t.newID()
	f.update(came, t.record("user"), hour, f.create(came, t.record(""), hour))
	f.update(moved, t.record("user"), hour, f.create(moved, t.record("other"), hour))
	left := t.record("other")
	f.update(went, left, hour, f.create(went, t.record("user"), hour))
	others := map[string]store.Record{went: left}
	for _, o := range []string{"use", "user1", "USER", "user*", "user%", "us_r", ""} {
		id := t.newID()
		others[id] = t.record(o)
		f.create(id, others[id], hour)
	}
	if n := f.deleteOwner("user"); n != many+2 {
		t.Errorf("DeleteOwner returned %d, the owner had %d sessions", n, many+2)
	}
	alive := 0
	for _, id := range append(ids, came, moved) {
		if _, err := f.s.Load(t.ctx, id); err == nil {
			alive++
		}
	}
	if alive > 0 {
		t.Errorf("%d of %d sessions are live after DeleteOwner", alive, many+2)
	}
	for id, r := range others {
		f.holds(fmt.Sprintf("after DeleteOwner of another owner, %q", r.Owner), id, r, 0)
	}
	if n := f.deleteOwner("user"); n != 0 {
		t.Errorf("DeleteOwner again returned %d", n)
	}
}

func owner4(t *T) {
	f := t.subject()
	const who = "owner-four-whose-sessions-all-end"
	ids := t.newIDs(6)
	for i, id := range ids {
		v := f.create(id, t.record(who), hour)
		if i == 4 {
			f.update(id, t.record("somebody else"), 9*hour, v)
		}
	}
	f.delete(ids[0])
	t.only("List after a Delete", f.list(store.Query{Owner: who}), ids[1], ids[2], ids[3], ids[5])
	f.age(2 * hour)
	t.only("List after all expired", f.list(store.Query{Owner: who}))
	if _, err := f.Sweep(); can(err) {
		f.must("Sweep", err)
	}
	if f.Rows == nil {
		t.note("that no record stays behind: no Subject.Rows")
	} else if n, ok := f.rows(1); !ok {
		t.Errorf("%d records are physically there after all but 1 expired and Sweep", n)
	}
	if f.Raw == nil {
		t.note("that the owner's name does not stay behind: no Subject.Raw")
		return
	}
	raw, err := f.Raw(t.ctx)
	f.must("Subject.Raw", err)
	if bytes.Contains(raw, []byte(who)) {
		t.Errorf("the owner's name is still stored after all its sessions ended and Sweep")
	}
}

// rows waits until want sessions are physically there: at once, unless the
// backend removes what has expired by itself.
func (f *fixture) rows(want int) (n int, ok bool) {
	ask := func() bool {
		var err error
		n, err = f.Rows(f.t.ctx)
		f.must("Subject.Rows", err)
		return n == want
	}
	if f.Expires == "" {
		return n, ask()
	}
	return n, f.t.eventually(5*time.Second, ask)
}

func owner5(t *T) {
	f := t.subject()
	f.create(t.newID(), t.record(""), hour)
	for _, o := range []string{"a", strings.Repeat("x", 255), strings.Repeat("é", 127), "a b", " a", "a ", `"`, "'", `\`, "*", "%", "{}", "$", ":", "#1:2", "null", "0", "🙂", "\uFFFD", "e\u0301", "\u00e9"} {
		id, r := t.newID(), t.record(o)
		v := f.create(id, r, hour)
		f.holds(fmt.Sprintf("owner %q", clip(o)), id, r, v)
		if out, err := f.List(store.Query{Owner: o}); can(err) {
			f.must("List", err)
			t.only(fmt.Sprintf("List of %q", clip(o)), out, id)
		}
	}
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for what, o := range map[string]string{
		"256 bytes": strings.Repeat("x", 256), "NUL": "a\x00", "a newline": "a\n", "DEL": "a\x7f", "a C1 control": "a\u0085", "no UTF-8": "a\xff", "a half character": "\xc3",
	} {
		fresh := t.newID()
		_, err := f.Create(fresh, t.record(o), hour)
		t.wantErr("Create for an owner with "+what, err, store.ErrInvalid)
		f.gone("after Create for an owner with "+what, fresh)
		_, err = f.Update(id, t.record(o), hour, v)
		t.wantErr("Update to an owner with "+what, err, store.ErrInvalid)
		f.holds("after Update to an owner with "+what, id, r, v)
		if _, err = f.List(store.Query{Owner: o}); can(err) {
			t.wantErr("List of an owner with "+what, err, store.ErrInvalid)
		}
		if _, err = f.DeleteOwner(o); can(err) {
			t.wantErr("DeleteOwner of an owner with "+what, err, store.ErrInvalid)
		}
	}
	before, err := f.List(store.Query{})
	if _, derr := f.DeleteOwner(""); can(derr) {
		t.wantErr(`DeleteOwner of ""`, derr, store.ErrInvalid)
		if after, aerr := f.List(store.Query{}); err == nil && aerr == nil && len(after) != len(before) {
			t.Errorf(`DeleteOwner of "" removed %d sessions`, len(before)-len(after))
		}
	}
}

func owner6(t *T) {
	f := t.subject()
	if f.LoseIndex == nil {
		t.doesNotApply("no owner index apart from the records (no Subject.LoseIndex)")
	}
	touched, updated := t.newID(), t.newID()
	f.create(touched, t.record("o"), hour)
	v := f.create(updated, t.record("o"), hour)
	f.must("Subject.LoseIndex", f.LoseIndex(t.ctx))
	f.touch(touched, hour)
	t.only("List after the index was lost and one session touched", f.list(store.Query{Owner: "o"}), touched)
	f.update(updated, t.record("o"), hour, v)
	t.only("List after the other was updated", f.list(store.Query{Owner: "o"}), touched, updated)
	if n := f.deleteOwner("o"); n != 2 {
		t.Errorf("DeleteOwner returned %d, want 2", n)
	}
	f.gone("a healed session after DeleteOwner", touched)
}

func owner7(t *T) {
	f := t.subject()
	for range 15 {
		ids := t.newIDs(24)
		together(5, func(w int) {
			if w == 4 {
				_, err := f.DeleteOwner("o")
				f.needs(err, "DeleteOwner")
				f.must("DeleteOwner", err)
				return
			}
			for i := w; i < len(ids); i += 4 {
				_, err := f.Create(ids[i], store.Record{Owner: "o"}, hour)
				f.must("Create beside DeleteOwner", err)
			}
		})
		out := f.list(store.Query{Owner: "o"})
		for _, id := range ids {
			_, err := f.s.Load(t.ctx, id)
			if _, listed := out[id]; err == nil && !listed {
				t.Errorf("the session %s, created while DeleteOwner ran, is live and not listed", short(id))
				return
			}
		}
		f.deleteOwner("o")
	}
}

func list1(t *T) {
	f := t.subject()
	const n = 1100
	stable := t.newIDs(n)
	revs := make([]store.Revision, n)
	together(8, func(w int) {
		for i := w; i < n; i += 8 {
			v, err := f.Create(stable[i], store.Record{Owner: "o"}, hour)
			if err != nil {
				t.Errorf("Create: %s", errText(err))
				return
			}
			revs[i] = v
		}
	})
	for _, q := range []store.Query{{}, {Owner: "o"}} {
		doomed := t.newIDs(200)
		together(8, func(w int) {
			for i := w; i < len(doomed); i += 8 {
				_, _ = f.s.Create(t.ctx, doomed[i], store.Record{Owner: "o"}, hour)
			}
		})
		seen := map[string]int{}
		k := 0
		for l, err := range store.List(t.ctx, f.s, q) {
			f.needs(err, "List")
			f.must("List while sessions come and go", err)
			seen[l.ID]++
			// The set changes under the listing's feet; what it holds must not
			// be a lock that these wait for.
			if k%5 == 0 && k/5 < len(doomed) {
				f.must("Delete inside a listing", f.s.Delete(t.ctx, doomed[k/5]))
				i := (k * 7) % n
				v, err := f.s.Update(t.ctx, stable[i], store.Record{Owner: "o", Data: []byte{byte(k)}}, 3*hour, revs[i])
				f.must("Update inside a listing", err)
				revs[i] = v
				f.must("Touch inside a listing", f.s.Touch(t.ctx, stable[(k*11)%n], 2*hour))
				_, err = f.s.Create(t.ctx, t.newID(), store.Record{Owner: "p"}, hour)
				f.must("Create inside a listing", err)
			}
			k++
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
		f.t.trace.add("-- List while others were created, updated, touched and deleted: %d sessions", len(seen))
		if missing > 0 || twice > 0 {
			t.Errorf("of %d sessions that were live throughout the listing %d are missing; %d sessions came more than once", n, missing, twice)
		}
	}
}

func list2(t *T) {
	f := t.subject()
	for range 600 {
		f.create(t.newID(), store.Record{Owner: "o"}, hour)
	}
	pkg := packageOf(f.s)
	stop := func(q store.Query) {
		for _, err := range store.List(t.ctx, f.s, q) {
			f.needs(err, "List")
			f.must("List", err)
			break
		}
	}
	var before, after int
	labelled(t.ctx, func() {
		stop(store.Query{})
		before = goroutines(pkg)
		// More often than any pool has connections.
		for range 40 {
			stop(store.Query{Owner: "o"})
			stop(store.Query{Data: true})
		}
		t.eventually(time.Second, func() bool { after = goroutines(pkg); return after <= before })
	})
	if after > before {
		t.Errorf("%d goroutines of the store are left after 80 listings that were stopped early", after-before)
	}
	id := t.newID()
	f.create(id, t.record(""), hour)
	f.delete(id)
}

func list3(t *T) {
	f := t.subject()
	const n, bytesEach, bound = 1600, 4 << 10, 1000
	size := bytesEach
	if f.MaxData > 0 && f.MaxData < size {
		t.doesNotApply("sessions of this store are too small to weigh")
	}
	empty := heap()
	ids := t.newIDs(n)
	fill := func() {
		together(8, func(w int) {
			data := make([]byte, size)
			for i := w; i < n; i += 8 {
				if _, err := f.s.Create(t.ctx, ids[i], store.Record{Data: data}, hour); err != nil {
					t.Errorf("Create: %s", errText(err))
					return
				}
			}
		})
	}
	fill()
	held, rest, first := 0, 0, true
	for l, err := range store.List(t.ctx, f.s, store.Query{Data: true}) {
		f.needs(err, "List")
		f.must("List", err)
		if !first {
			rest++
			continue
		}
		first = false
		together(8, func(w int) {
			for i := w; i < n; i += 8 {
				if ids[i] != l.ID {
					_ = f.s.Delete(t.ctx, ids[i]) // what fails stays, and is weighed
				}
			}
		})
		held = int(heap()-empty) / size
	}
	f.t.trace.add("-- List with data, all deleted after its first session: about %d sessions held in memory, %d more yielded", held, rest)
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
	f.delete(ids[0])
	f.touch(ids[1], 9*hour)
	want("after a Delete", 11)
	if f.Age == nil {
		t.note("that the expired do not count: no Subject.Age")
	} else {
		f.age(2 * hour)
		want("after 5 of them expired", 6)
	}
	low := f.count()
	const movers = 6
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range movers {
		id := t.newID()
		wg.Go(func() {
			for !stop.Load() && t.ctx.Err() == nil {
				_, _ = f.s.Create(t.ctx, id, store.Record{Owner: "m"}, hour)
				_ = f.s.Delete(t.ctx, id)
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	for range 30 {
		if n, err := store.Count(t.ctx, f.s); err != nil || n < low || n > low+movers {
			t.Errorf("Count while between %d and %d sessions are live: %d, %s", low, low+movers, n, errText(err))
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

func clear1(t *T) {
	f, other := t.subject(), t.subject()
	id, r := t.newID(), t.record("o")
	other.create(id, r, hour)
	for i := range 30 {
		f.create(t.newID(), t.record("o"), time.Duration(i+1)*hour)
	}
	f.create(id, t.record("o"), hour)
	err := f.Clear()
	f.needs(err, "Clear")
	f.must("Clear", err)
	f.gone("after Clear", id)
	if out, err := f.List(store.Query{}); can(err) {
		f.must("List", err)
		t.only("List after Clear", out)
	}
	if out, err := f.List(store.Query{Owner: "o"}); can(err) {
		f.must("List", err)
		t.only("List by owner after Clear", out)
	}
	if f.Rows != nil {
		if n, ok := f.rows(0); !ok {
			t.Errorf("%d records are physically there after Clear", n)
		}
	}
	other.holds("another store's session after Clear", id, r, 0)
	f.create(id, r, hour)
	f.holds("created after Clear", id, r, 0)
}

func sweep1(t *T) {
	f := t.subject()
	if f.Expires != "" {
		if _, err := store.Sweep(t.ctx, f.s); !can(err) {
			f.expiresByItself()
			return
		}
	}
	const expired = 540 // more than one batch of any store that works in batches of 500
	live := map[string]store.Record{}
	add := func(ttl time.Duration) string {
		id := t.newID()
		live[id] = t.record("o")
		f.create(id, live[id], ttl)
		return id
	}
	f.sweep()
	for range 20 {
		add(9 * hour)
	}
	touched, updated := add(hour), add(hour)
	ids := t.newIDs(expired)
	for _, id := range ids {
		f.create(id, store.Record{Owner: "o"}, hour)
	}
	f.age(40 * time.Minute)
	f.touch(touched, hour)
	e := f.load(updated)
	f.update(updated, live[updated], hour, e.Revision)
	f.age(40 * time.Minute)
	if n := f.sweep(); n != expired {
		t.Errorf("Sweep returned %d, want %d", n, expired)
	}
	for id, r := range live {
		f.holds("a live session after Sweep", id, r, 0)
	}
	if f.Rows == nil {
		t.note("that what expired is physically gone: no Subject.Rows")
	} else if n, ok := f.rows(len(live)); !ok {
		t.Errorf("%d records are physically there after Sweep, want %d", n, len(live))
	}
	f.sweepAgainstCreate(f.client)
}

// sweepAgainstCreate creates sessions anew under ids whose sessions have
// expired, while sweepers run. None of them may be removed.
func (f *fixture) sweepAgainstCreate(sweepers ...*client) {
	t := f.t
	for range 6 {
		ids := t.newIDs(40)
		for _, id := range ids {
			f.create(id, store.Record{Owner: "o"}, hour)
		}
		f.age(2 * hour)
		together(4+len(sweepers), func(w int) {
			if w >= 4 {
				if _, err := sweepers[w-4].Sweep(); err != nil {
					t.Errorf("Sweep beside Creates: %s", errText(err))
				}
				return
			}
			for i := w; i < len(ids); i += 4 {
				if _, err := f.s.Create(t.ctx, ids[i], store.Record{Owner: "o"}, 9*hour); err != nil {
					t.Errorf("Create of an id whose session expired, beside Sweep: %s", errText(err))
				}
			}
		})
		lost := 0
		for _, id := range ids {
			if _, err := f.s.Load(t.ctx, id); err != nil {
				lost++
			}
		}
		f.t.trace.add("-- %d sessions created anew beside Sweep, %d lost", len(ids), lost)
		if lost > 0 {
			t.Errorf("%d of %d sessions that were created while Sweep ran are gone", lost, len(ids))
		}
		if t.Failed() {
			return
		}
	}
}

func (f *fixture) expiresByItself() {
	t := f.t
	if f.Rows == nil {
		t.doesNotApply("no Sweeper: what expires is removed by " + f.Expires)
	}
	stays := t.newID()
	f.create(stays, t.record("o"), 9*hour)
	for range 20 {
		f.create(t.newID(), t.record("o"), hour)
	}
	f.age(2 * hour)
	if n, ok := f.rows(1); !ok {
		t.Errorf("%d records are physically there 5 s after all but 1 expired; %s should have removed them", n, f.Expires)
	}
	if _, err := f.Load(stays); err != nil {
		t.Errorf("the live session: %s", errText(err))
	}
}

func sweep2(t *T) {
	f := t.subject()
	if _, err := f.Sweep(); !can(err) && f.Expires != "" {
		t.doesNotApply("no Sweeper: what expires is removed by " + f.Expires)
	} else {
		f.needs(err, "Sweep")
	}
	second := f.client
	if p := f.peer(); p != nil {
		second = p
	}
	live := t.newIDs(20)
	for _, id := range live {
		f.create(id, store.Record{Owner: "o"}, 99*hour)
	}
	const expired = 300
	for range expired {
		f.create(t.newID(), store.Record{}, hour)
	}
	f.age(2 * hour)
	var sum atomic.Int64
	together(2, func(i int) {
		n, err := []*client{f.client, second}[i].Sweep()
		if err != nil {
			t.Errorf("one of two Sweeps at once: %s", errText(err))
		}
		sum.Add(int64(n))
	})
	if sum.Load() > expired {
		t.Errorf("two Sweeps at once say that they removed %d of %d", sum.Load(), expired)
	}
	f.sweepAgainstCreate(f.client, second)
	for _, id := range live {
		if _, err := f.s.Load(t.ctx, id); err != nil {
			t.Errorf("a live session after two Sweeps at once: %s", errText(err))
		}
	}
}

func sweep3(t *T) {
	f := t.subject()
	if f.Sweeping == nil {
		t.doesNotApply("no background sweeper (no Subject.Sweeping)")
	}
	if f.Rows == nil {
		t.Skip("Subject.Rows is missing: whether the sweeper goes on cannot be seen")
	}
	for range 20 {
		f.create(t.newID(), store.Record{}, hour)
	}
	f.age(2 * hour)
	told := make(chan error, 100)
	s, err := f.Sweeping(t.ctx, func(err error) {
		select {
		case told <- err:
		default:
		}
	})
	f.must("Subject.Sweeping", err)
	f.other(s, "sweeping:")
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	select {
	case err := <-told:
		if err == nil {
			t.Errorf("OnError was called with nil")
		}
	case <-timeout.C:
		t.Errorf("the background sweeper failed once, and OnError was not told within 10 s")
	}
	n := 0
	if !t.eventually(10*time.Second, func() bool {
		n, err = f.Rows(t.ctx)
		f.must("Subject.Rows", err)
		return n == 0
	}) {
		t.Errorf("%d expired records are there 10 s after the background sweeper failed once: it did not go on", n)
	}
}
