package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func create1(t *T) {
	f := t.subject()
	for range 3 {
		id := t.newID()
		v, err := f.Create(id, t.record("o"), hour)
		f.must("Create of a new session", err)
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
	for _, ttl := range []time.Duration{5 * hour, hour / 4} {
		_, err := f.Create(id, t.record("p"), ttl)
		t.wantErr("Create of a live id", err, store.ErrExists)
		f.holds("after the refused Create", id, r, v)
		f.left("after the refused Create", id, hour)
		f.unlisted("after the refused Create", "p", id)
	}
	_, err := f.Create(id, r, hour)
	t.wantErr("Create of a live id with what is there already", err, store.ErrExists)
}

func create3(t *T) {
	f := t.subject()
	id := t.newID()
	again := func(when string) {
		r := t.record("p")
		v, err := f.Create(id, r, hour/2)
		f.must("Create "+when, err)
		f.holds("created "+when, id, r, v)
		f.left("created "+when, id, hour/2)
	}
	f.create(id, t.record("o"), 9*hour)
	f.delete(id)
	again("after Delete")
	if f.ages("Create of an id whose session expired") {
		f.age(2 * hour)
		again("after the session expired")
	}
}

func create4(t *T) {
	f := t.subject()
	handles := f.handles()
	const n = 16
	race := func(id, what string) {
		revs := make([]store.Revision, n)
		errs := make([]error, n)
		recs := make([]store.Record, n)
		for i := range recs {
			recs[i] = t.record(fmt.Sprint("o", i))
		}
		t.together(n, func(i int) { revs[i], errs[i] = handles[i%len(handles)].Create(id, recs[i], hour) })
		won := slices.Index(errs, nil)
		for i, err := range errs {
			switch {
			case err == nil && i != won:
				t.Errorf("two of %d concurrent Creates of %s succeeded, want one", n, what)
				return
			case err != nil:
				t.wantErr("a Create beside others of "+what, err, store.ErrExists)
			}
		}
		if won < 0 {
			if _, err := f.Create(id, recs[0], hour); err != nil {
				return // not alone either: CREATE-3
			}
			t.Errorf("none of %d concurrent Creates of %s succeeded, want one", n, what)
			return
		}
		f.holds("the record of the one that succeeded", id, recs[won], revs[won])
	}
	for range t.rounds(10, 40) {
		race(t.newID(), "one id")
	}
	for range t.rounds(10, t.duels()) {
		id := t.newID()
		var errs [2]error
		t.together(2, func(i int) { _, errs[i] = handles[i%len(handles)].Create(id, plain("o"), hour) })
		if errs[0] == nil && errs[1] == nil {
			t.Errorf("both of 2 concurrent Creates of one id succeeded, want one")
		}
	}
	if !f.ages("concurrent Creates of an id whose session expired") {
		return
	}
	// Replacing what has expired is where a store looks first and writes then.
	for range t.rounds(3, 10) {
		ids := t.newIDs(4)
		f.fill(ids, plain("o"), hour)
		f.age(2 * hour)
		for _, id := range ids {
			race(id, "an id whose session expired")
		}
	}
}
