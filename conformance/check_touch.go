package conformance

import (
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func touch1(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for _, ttl := range []time.Duration{5 * hour, hour / 2, 3 * hour} {
		f.touch(id, ttl)
		f.holds("after Touch", id, r, v)
		f.left("after Touch", id, ttl)
	}
	f.lists("after Touch", "o", id)
	if !f.ages("whether the new lifetime is kept") {
		return
	}
	brief := t.newID()
	f.create(brief, r, 9*hour)
	f.touch(brief, hour)
	f.age(2 * hour)
	f.holds("touched to 3 h, 2 h later", id, r, v)
	f.gone("touched from 9 h to 1 h, 2 h later", brief)
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
	if !f.ages("Touch of an expired id") {
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
	f.create(id, t.record("o"), hour)
	f.delete(id)
	f.missing("after Create and Delete", id)
	id = t.newID()
	v := f.create(id, t.record("o"), hour)
	f.update(id, t.record("o"), hour, v)
	f.touch(id, 2*hour)
	f.load(id)
	f.delete(id)
	f.missing("after Update, Touch, Load and Delete", id)
}

func delete2(t *T) {
	f := t.subject()
	id := t.newID()
	f.must("Delete of an id that never was", f.Delete(id))
	f.create(id, t.record(""), hour)
	f.delete(id)
	f.must("Delete of a deleted id", f.Delete(id))
	if f.ages("Delete of an expired id") {
		id = t.newID()
		f.create(id, t.record(""), hour)
		f.age(2 * hour)
		f.must("Delete of an expired id", f.Delete(id))
	}
}

func delete3(t *T) {
	f := t.subject()
	recs := map[string]store.Record{}
	for _, id := range []string{"ab", "a", "abc", "ab*", "a*", "a?", "?b", "ab/", "ab/c", "ab:", "ab:c", "ab%", "a_", "%", "*", "[a]b", "ab.", "../ab", "xab", `ab"`, "ab'"} {
		recs[id] = t.record("o")
		f.create(id, recs[id], hour)
	}
	before, _ := f.List(store.Query{Owner: "o"}) // empty where there is no listing
	for _, id := range []string{"ab", "a_", "*", "%", "a?", "[a]b"} {
		f.delete(id)
		delete(recs, id)
		for other, r := range recs {
			f.holds(fmt.Sprintf("after Delete of %q: %q", id, other), other, r, 0)
		}
		if t.Failed() {
			return
		}
	}
	if out, err := f.List(store.Query{Owner: "o"}); err == nil {
		for other := range recs {
			if _, was := before[other]; !was {
				continue
			}
			if _, ok := out[other]; !ok {
				t.Errorf("after Delete of others of the same owner, %q is not listed any more", other)
			}
		}
	}
}

func delete4(t *T) {
	f := t.subject()
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	f.delete(id)
	_, _ = f.Update(id, t.record("o"), hour, v) // what it returns is UPDATE-3
	_ = f.Touch(id, hour)                       // and TOUCH-2
	_, _ = f.Sweep()                            // and SWEEP-1
	f.gone("after Delete, Update, Touch and Sweep", id)

	deleted := []string{id}
	handles := f.handles()
	for range t.rounds(15, 60) {
		id := t.newID()
		v := f.create(id, t.record("o"), hour)
		recs := []store.Record{t.record("o"), t.record("p"), t.record("")}
		t.together(8, func(i int) {
			h := handles[i%len(handles)]
			switch i {
			case 0:
				if h.Delete(id) != nil {
					f.delete(id) // that it may not fail beside others is CONC-1
				}
			case 1, 2, 3:
				_, _ = h.Update(id, recs[i-1], hour, v) // one of them may win before the Delete
			default:
				_ = h.Touch(id, time.Duration(i)*hour) // finds the session or not
			}
		})
		f.gone("after a Delete that raced with Updates and Touches", id)
		deleted = append(deleted, id)
	}
	// A write that was put off, or a cleaner, may come late.
	time.Sleep(300 * time.Millisecond)
	if live, n := f.alive(deleted); n > 0 {
		for i, is := range live {
			if is {
				f.gone("deleted a while ago", deleted[i])
			}
		}
	}
}
