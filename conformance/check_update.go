package conformance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

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
		f.owned("after Update", id, c.owner)
		f.left("after Update", id, c.ttl)
		v = next
	}
}

func update2(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	old := f.create(id, t.record("o"), hour)
	v := f.update(id, r, hour, old)
	other := f.create(t.newID(), t.record("o"), hour)
	// Next to the current one, too: what a number of 53 or of 32 bits, or one
	// without its sign, takes for the same.
	for name, base := range map[string]store.Revision{
		"the revision before": old, "the last bit wrong": v ^ 1, "the first bit wrong": v ^ 1<<63, "the upper half wrong": v ^ 1<<40,
		"the lower half wrong": v ^ 1<<20, "1": 1, "the highest there is": ^store.Revision(0), "another session's revision": other,
	} {
		_, err := f.Update(id, t.record("p"), 9*hour, base)
		t.wantErr("Update with "+name, err, store.ErrConflict)
		f.holds("after the refused Update with "+name, id, r, v)
		f.left("after the refused Update with "+name, id, hour)
	}
	f.unlisted("after refused Updates", "p", id)
	f.update(id, t.record("o"), hour, v)
	// Of one revision in a thousand a number of 53 bits tells the neighbours apart.
	for range 4 {
		id := t.newID()
		v := f.create(id, r, hour)
		for bit := range 4 {
			base := v ^ 1<<bit
			if base == 0 {
				continue // UPDATE-4
			}
			_, err := f.Update(id, t.record("p"), 9*hour, base)
			t.wantErr(fmt.Sprintf("Update with bit %d wrong", bit), err, store.ErrConflict)
		}
		f.holds("after refused Updates with one bit wrong", id, r, v)
	}
}

func update3(t *T) {
	f := t.subject()
	id := t.newID()
	refused := func(what, id string, v store.Revision) {
		for _, base := range []store.Revision{v, v ^ 1} {
			_, err := f.Update(id, t.record("p"), hour, base)
			t.wantErr("Update of "+what, err, store.ErrNotFound)
			f.gone("after Update of "+what, id)
			f.unlisted("after Update of "+what, "p", id)
		}
	}
	refused("a missing id", t.newID(), 42)
	v := f.create(id, t.record(""), hour)
	refused("a missing id, with another session's revision", t.newID(), v)
	f.delete(id)
	refused("a deleted id", id, v)
	if !f.ages("Update of an expired id") {
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
	_, err := f.Update(id, t.record("p"), 9*hour, 0)
	t.wantErr("Update with base 0", err, store.ErrInvalid)
	f.holds("after Update with base 0", id, r, v)
	f.left("after Update with base 0", id, hour)
	id = t.newID()
	_, err = f.Update(id, t.record("p"), hour, 0)
	t.wantErr("Update of a missing id with base 0", err, store.ErrInvalid)
	f.gone("after Update of a missing id with base 0", id)
}

func update5(t *T) {
	f := t.subject()
	id := t.newID()
	var old []store.Revision
	replaced := func(v store.Revision) {
		if slices.Contains(old, v) {
			t.Errorf("revision %s came back", rev(v))
		}
		old = append(old, v)
	}
	// The same two records in turn: a revision made of the content comes back.
	recs := []store.Record{t.record(""), t.record("")}
	for range 3 {
		v := f.create(id, recs[0], hour)
		for i := range 4 {
			replaced(v)
			v = f.update(id, recs[(i+1)%2], hour, v)
		}
		for _, o := range old {
			if _, err := f.Update(id, t.record(""), hour, o); err == nil {
				t.Errorf("Update succeeded with revision %s, that was replaced before", rev(o))
			}
		}
		if t.Failed() {
			return
		}
		replaced(v)
		f.delete(id)
	}
}

func update7(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("")
	v := f.create(id, r, hour)
	for range 5 {
		next, err := f.Update(id, r, hour, v)
		f.must("Update with what is there already", err)
		v = next
	}
	for range 10 {
		f.must("Touch with the same ttl at once again", f.Touch(id, hour))
	}
	// At one moment, so that the deadline does not change either.
	for range t.rounds(3, 10) {
		t.together(8, func(int) {
			if err := f.Touch(id, hour); errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("Touch beside others with the same ttl: %s", errText(err))
			}
		})
	}
	f.holds("after writes that change nothing", id, r, 0)
}
