package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const hour = time.Hour

func load1(t *T) {
	f := t.subject()
	id, first, second := t.newID(), t.record("owner-1"), store.Record{Data: t.data(100)}
	v := f.create(id, first, hour)
	f.holds("after Create", id, first, v)
	v = f.update(id, second, hour, v)
	f.holds("after Update", id, second, v)
}

func load2(t *T) {
	f := t.subject()
	id := t.newID()
	f.gone("Load from an empty store", id)
	f.create(id, t.record(""), hour)
	f.gone("Load of another id", t.newID())
	f.gone("Load of the beginning of an id that is there", id[:len(id)-1])
}

func load3(t *T) {
	f := t.subject()
	for _, data := range [][]byte{nil, {}} {
		id := t.newID()
		v := f.create(id, store.Record{Data: data}, hour)
		f.holds("after Create without data", id, store.Record{}, v)
		v = f.update(id, t.record(""), hour, v)
		v = f.update(id, store.Record{Data: data, Owner: "o"}, hour, v)
		f.holds("after Update without data", id, store.Record{Owner: "o"}, v)
	}
}

func load4(t *T) {
	f := t.subject()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var v store.Revision
	id := t.newID()
	for _, n := range []int{0, 1, 4 << 10, 64 << 10, 1 << 20} {
		if f.MaxData > 0 && n > f.MaxData {
			t.note(fmt.Sprintf("%d bytes: the store's limit is %d", n, f.MaxData))
			continue
		}
		r := store.Record{Data: t.data(n)}
		copy(r.Data, all)
		if n > len(all) {
			copy(r.Data[n-len(all):], all)
		}
		if v == 0 {
			v = f.create(id, r, hour)
		} else {
			v = f.update(id, r, hour, v)
		}
		f.holds(fmt.Sprintf("%d bytes", n), id, r, v)
		fresh := t.newID()
		f.holds(fmt.Sprintf("%d bytes, created", n), fresh, r, f.create(fresh, r, hour))
	}
}

func load5(t *T) {
	f := t.subject()
	id := t.newID()
	r := t.record("o")
	passed := bytes.Clone(r.Data)
	v := f.create(id, store.Record{Data: passed, Owner: "o"}, hour)
	clear(passed)
	f.holds("the slice passed to Create was changed afterwards", id, r, v)
	r = t.record("o")
	passed = bytes.Clone(r.Data)
	v = f.update(id, store.Record{Data: passed, Owner: "o"}, hour, v)
	clear(passed)
	f.holds("the slice passed to Update was changed afterwards", id, r, v)
}

func load6(t *T) {
	f := t.subject()
	id := t.newID()
	r := t.record("o")
	v := f.create(id, r, hour)
	loaded := f.load(id)
	var listed store.Entry
	if out, err := f.List(store.Query{Data: true}); err == nil {
		listed = out[id]
	}
	r2 := t.record("o")
	v = f.update(id, r2, hour, v)
	again := f.load(id)
	f.touch(id, 2*hour)
	f.update(id, t.record("p"), hour, v)
	f.delete(id)
	f.create(id, t.record("q"), hour)
	f.same("what Load returned, after later writes", loaded, r, 0)
	f.same("what Load returned after an Update, after later writes", again, r2, 0)
	if listed.Revision != 0 {
		f.same("what List returned, after later writes", listed, r, 0)
	}
}

func create1(t *T) {
	f := t.subject()
	for range 3 {
		id, r := t.newID(), t.record("o")
		v := f.create(id, r, hour)
		if v == 0 {
			t.Errorf("Create returned revision 0")
		}
		if _, err := f.Load(id); err != nil {
			t.Errorf("Load of what was created: %s", errText(err))
		}
	}
}

func create2(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for range 2 {
		_, err := f.Create(id, t.record("p"), 5*hour)
		t.wantErr("Create of a live id", err, store.ErrExists)
		f.holds("after the refused Create", id, r, v)
		if e, err := f.Load(id); err == nil && e.TTL > 2*hour {
			t.Errorf("the refused Create made the life longer: %v", e.TTL)
		}
	}
}

func create3(t *T) {
	f := t.subject()
	id := t.newID()
	f.create(id, t.record("o"), hour)
	f.delete(id)
	r := t.record("p")
	v, err := f.Create(id, r, hour)
	f.must("Create after Delete", err)
	f.holds("created after Delete", id, r, v)
	f.age(2 * hour)
	r = t.record("")
	v, err = f.Create(id, r, hour)
	f.must("Create after the session expired", err)
	f.holds("created after expiry", id, r, v)
}

func create4(t *T) {
	f := t.subject()
	clients := []*client{f.client}
	if p := f.peer(); p != nil {
		clients = append(clients, p)
	}
	const n = 16
	for range 20 {
		id := t.newID()
		var won atomic.Int32
		winner := make([]store.Revision, n)
		recs := make([]store.Record, n)
		for i := range recs {
			recs[i] = t.record(fmt.Sprint("o", i))
		}
		together(n, func(i int) {
			v, err := clients[i%len(clients)].Create(id, recs[i], hour)
			if err == nil {
				won.Add(1)
				winner[i] = v
				return
			}
			t.wantErr("a Create beside others of the same id", err, store.ErrExists)
		})
		if got := won.Load(); got != 1 {
			t.Errorf("%d of %d concurrent Creates of one id succeeded, want 1", got, n)
		}
		if i := slices.IndexFunc(winner, func(v store.Revision) bool { return v != 0 }); i >= 0 && won.Load() == 1 {
			f.holds("the record of the one that succeeded", id, recs[i], winner[i])
		}
		if t.Failed() {
			return
		}
	}
}

func update1(t *T) {
	f := t.subject()
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	for _, c := range []struct {
		owner string
		ttl   time.Duration
	}{{"p", 3 * hour}, {"", hour / 2}, {"o", hour}} {
		r := t.record(c.owner)
		next := f.update(id, r, c.ttl, v)
		if next == v || next == 0 {
			t.Errorf("the new revision is %s, the old one was %s", rev(next), rev(v))
		}
		f.holds("after Update", id, r, next)
		f.left("after Update", id, c.ttl)
		v = next
	}
}

// left fails unless what is left of id's life is about ttl: less by at most 10
// minutes, for a slow machine, and not more.
func (f *fixture) left(when, id string, ttl time.Duration) {
	e, err := f.Load(id)
	if err != nil {
		f.t.Errorf("%s: %s", when, errText(err))
		return
	}
	if e.TTL > ttl+2*f.precision() || e.TTL < ttl-10*time.Minute {
		f.t.Errorf("%s: what is left of the life\n  got:  %v\n  want: %v", when, e.TTL, ttl)
	}
}

func update2(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	old := f.create(id, t.record("o"), hour)
	v := f.update(id, r, hour, old)
	for name, base := range map[string]store.Revision{
		"the revision before": old, "a revision that never was": v ^ 1, "another one": v ^ 1<<63, "1": 1,
	} {
		_, err := f.Update(id, t.record("p"), 9*hour, base)
		t.wantErr("Update with "+name, err, store.ErrConflict)
		f.holds("after the refused Update with "+name, id, r, v)
		f.left("after the refused Update with "+name, id, hour)
	}
}

func update3(t *T) {
	f := t.subject()
	id := t.newID()
	refused := func(what, id string, v store.Revision) {
		for _, base := range []store.Revision{v, v ^ 1} {
			_, err := f.Update(id, t.record("o"), hour, base)
			t.wantErr("Update of "+what, err, store.ErrNotFound)
			f.gone("after Update of "+what, id)
		}
	}
	refused("a missing id", t.newID(), 42)
	v := f.create(id, t.record(""), hour)
	f.delete(id)
	refused("a deleted id", id, v)
	if f.Age == nil {
		t.note("Update of an expired id: no Subject.Age")
		return
	}
	id = t.newID()
	v = f.create(id, t.record(""), hour)
	f.age(2 * hour)
	refused("an expired id", id, v)
}

func update4(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	_, err := f.Update(id, t.record("p"), hour, 0)
	t.wantErr("Update with base 0", err, store.ErrInvalid)
	f.holds("after Update with base 0", id, r, v)
	id = t.newID()
	if _, err = f.Update(id, t.record("p"), hour, 0); err == nil {
		t.Errorf("Update of a missing id with base 0 succeeded")
	}
	f.gone("after Update of a missing id with base 0", id)
}

func update5(t *T) {
	f := t.subject()
	id := t.newID()
	var old []store.Revision
	for range 3 {
		v := f.create(id, t.record(""), hour)
		for range 4 {
			if slices.Contains(old, v) {
				t.Errorf("revision %s came back", rev(v))
			}
			old = append(old, v)
			v = f.update(id, t.record(""), hour, v)
		}
		for _, o := range old {
			_, err := f.Update(id, t.record(""), hour, o)
			t.wantErr("Update with a revision that was replaced", err, store.ErrConflict)
		}
		if slices.Contains(old, v) {
			t.Errorf("revision %s came back", rev(v))
		}
		old = append(old, v)
		f.delete(id)
	}
}

func update7(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for range 5 {
		next, err := f.Update(id, r, hour, v)
		f.must("Update with what is there already", err)
		v = next
	}
	for range 20 {
		f.must("Touch with the same ttl at once again", f.Touch(id, hour))
	}
	f.holds("after writes that change nothing", id, r, v)
}

func touch1(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for _, ttl := range []time.Duration{5 * hour, hour / 2, 3 * hour} {
		f.touch(id, ttl)
		f.holds("after Touch", id, r, v)
		f.left("after Touch", id, ttl)
	}
	if f.Age == nil {
		t.note("whether the new lifetime is kept: no Subject.Age")
		return
	}
	f.age(2 * hour)
	f.holds("touched to 3 h, 2 h later", id, r, v)
	f.touch(id, hour/2)
	f.age(hour)
	f.gone("touched to 30 min, 1 h later", id)
}

func touch2(t *T) {
	f := t.subject()
	id := t.newID()
	refused := func(what string) {
		t.wantErr("Touch of "+what, f.Touch(id, hour), store.ErrNotFound)
		f.gone("after Touch of "+what, id)
	}
	refused("a missing id")
	f.create(id, t.record(""), hour)
	f.delete(id)
	refused("a deleted id")
	if f.Age == nil {
		t.note("Touch of an expired id: no Subject.Age")
		return
	}
	id = t.newID()
	f.create(id, t.record(""), hour)
	f.age(2 * hour)
	refused("an expired id")
}

func delete1(t *T) {
	f := t.subject()
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	f.delete(id)
	f.gone("after Create and Delete", id)
	id = t.newID()
	v = f.create(id, t.record("o"), hour)
	f.update(id, t.record("o"), hour, v)
	f.touch(id, 2*hour)
	f.delete(id)
	f.gone("after Update, Touch and Delete", id)
}

func delete2(t *T) {
	f := t.subject()
	id := t.newID()
	f.must("Delete of an id that never was", f.Delete(id))
	f.create(id, t.record(""), hour)
	f.delete(id)
	f.must("Delete of a deleted id", f.Delete(id))
}

func delete3(t *T) {
	f := t.subject()
	ids := []string{"ab", "a", "abc", "ab*", "a*", "a?", "?b", "AB", "ab/", "ab:", "ab%", "%", "*", "[a]b", "ab.", "../ab", "xab", `ab"`, "ab'"}
	recs := map[string]store.Record{}
	for _, id := range ids {
		recs[id] = t.record("o")
		f.create(id, recs[id], hour)
	}
	for _, id := range []string{"ab", "*", "%", "a?", "[a]b"} {
		f.delete(id)
		delete(recs, id)
		for other, r := range recs {
			f.holds(fmt.Sprintf("after Delete of %q: %q", id, other), other, r, 0)
		}
	}
}

func delete4(t *T) {
	f := t.subject()
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	f.delete(id)
	_, err := f.Update(id, t.record("o"), hour, v)
	t.wantErr("Update after Delete", err, store.ErrNotFound)
	t.wantErr("Touch after Delete", f.Touch(id, hour), store.ErrNotFound)
	if _, err := f.Sweep(); can(err) {
		f.must("Sweep", err)
	}
	f.gone("after Delete, Update, Touch and Sweep", id)

	for range 30 {
		id := t.newID()
		v := f.create(id, t.record("o"), hour)
		together(5, func(i int) {
			switch i {
			case 0:
				f.must("Delete beside writers", f.Delete(id))
			case 1, 2:
				for range 2 {
					_, _ = f.Update(id, t.record("o"), hour, v) // one of the two may win before the Delete
				}
			default:
				for range 2 {
					_ = f.Touch(id, hour) // finds the session or not
				}
			}
		})
		f.gone("after a Delete that raced with Updates and Touches", id)
		if t.Failed() {
			return
		}
	}
}
