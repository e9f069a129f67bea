package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// failing begins a fault, or skips the check.
func (f *fixture) failing(ft Fault) func() {
	if f.Break == nil {
		f.t.Skip("Subject.Break is missing: the backend cannot be made to fail")
	}
	undo, ok := f.breaks(ft)
	if !ok {
		f.t.Skipf("Subject.Break cannot make the fault %q", ft.Kind)
	}
	return undo
}

func fail1(t *T) {
	for _, kind := range []FaultKind{Refuse, Reject, Hang} {
		f := t.subject()
		id, r := t.newID(), t.record("o")
		v := f.create(id, r, hour)
		if f.Break == nil {
			t.Skip("Subject.Break is missing: the backend cannot be made to fail")
		}
		undo, ok := f.breaks(Fault{Kind: kind})
		if !ok {
			t.note("the fault " + string(kind))
			continue
		}
		// A store gives up by itself in its call time; this is for one that does not.
		ctx, cancel := context.WithTimeout(t.ctx, f.callTimeout()+time.Second)
		f.everyAtOnce(id, v, func(name string, call func(*client) error) {
			err := call(f.at(ctx))
			switch {
			case !can(err):
			case err == nil:
				t.Errorf("%s succeeded while the backend failed (%s)", name, kind)
			case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict):
				t.Errorf("%s while the backend failed (%s): %s", name, kind, errText(err))
			}
		})
		cancel()
		undo()
	}
	f := t.subject()
	f.listingBreaks()
}

// listingBreaks has the backend fail in the middle of a listing, which must not
// look like its end.
func (f *fixture) listingBreaks() {
	t := f.t
	const n = 1100
	f.fill(t.newIDs(n), plain("o"), hour)
	var undo func() int
	yielded := 0
	for _, err := range store.List(t.ctx, f.s, store.Query{}) {
		if err != nil {
			return // as it should, or no listing
		}
		if yielded++; yielded == 1 {
			var ok bool
			if undo, ok = f.mayBreak(Fault{Kind: Refuse}); !ok {
				return
			}
		}
	}
	t.trace.add("-- List, the backend fails after the first session: %d sessions and no error", yielded)
	if yielded < n {
		t.Errorf("the backend failed in the middle of a listing, which ended without an error after %d of %d sessions", yielded, n)
	}
	if undo != nil {
		undo()
	}
}

func fail2(t *T) {
	for _, kind := range []FaultKind{Refuse, Reject, Hang} {
		f := t.subject()
		owner := "o, " + string(kind)
		id, r := t.newID(), t.record(owner)
		f.create(id, r, hour)
		if f.Break == nil {
			t.Skip("Subject.Break is missing: the backend cannot be made to fail")
		}
		undo, ok := f.breaks(Fault{Kind: kind})
		if !ok {
			t.note("the fault " + string(kind))
			continue
		}
		// Long enough that whatever opens, breaks or counts failures has done so.
		for range 3 {
			t.together(8, func(i int) {
				ctx, cancel := context.WithTimeout(t.ctx, 100*time.Millisecond)
				defer cancel()
				c := f.at(ctx)
				if i%2 == 0 {
					_, _ = c.Load(id)
				} else {
					_ = c.Touch(id, hour)
				}
			})
		}
		undo()
		var err error
		if !t.eventually(5*time.Second, func() bool { _, err = f.Load(id); return err == nil }) {
			t.Errorf("5 s after the backend is back (%s), Load: %s", kind, errText(err))
			return
		}
		f.holds("after the backend is back", id, r, 0)
		r = t.record(owner)
		v := f.update(id, r, hour, f.load(id).Revision)
		f.holds("written after the backend is back", id, r, v)
		fresh := t.newID()
		f.create(fresh, r, hour)
		f.lists("after the backend is back", owner, id, fresh)
		f.touch(id, 2*hour)
		f.delete(fresh)
	}
}

func fail3(t *T) {
	f := t.subject()
	limit := f.callTimeout() + 500*time.Millisecond
	one := func(ft Fault, what string, call func() error, want ...error) {
		undo := f.failing(ft)
		start := time.Now()
		err := call()
		took := time.Since(start)
		undo()
		if len(want) > 0 || err != nil {
			t.wantErr(fmt.Sprintf("%s, %s", what, ft.Kind), err, append(want, nil)...)
		}
		if took > limit {
			t.Errorf("%s, %s: took %v, the store's call time is %v", what, ft.Kind, took, f.callTimeout())
		}
	}
	for _, kind := range []FaultKind{LoseReply, LoseRequest} {
		ft := Fault{Kind: kind}
		id, r := t.newID(), t.record("o")
		var v store.Revision
		one(ft, "Create", func() (err error) { v, err = f.Create(id, r, hour); return })
		f.holds("after a Create, "+string(kind), id, r, v)
		v = f.load(id).Revision
		r = t.record("o")
		one(ft, "Update", func() (err error) { v, err = f.Update(id, r, hour, v); return })
		f.holds("after an Update, "+string(kind), id, r, v)
		one(ft, "Touch", func() error { return f.Touch(id, 5*hour) })
		f.left("after a Touch, "+string(kind), id, 5*hour)
		one(ft, "Delete", func() error { return f.Delete(id) })
		f.gone("after a Delete, "+string(kind), id)
		if t.Failed() {
			return
		}
	}
	p := f.peer()
	if p == nil {
		t.note("somebody who writes before the repeat: no Subject.Peer")
		return
	}
	// Somebody is there before the repeat. What becomes of his write is FAIL-5's.
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	update := func() error { return second(f.Update(id, t.record("o"), hour, v)) }
	create := func() error { return second(f.Create(id, t.record("o"), hour)) }
	builds := func() {
		if e, err := p.Load(id); err == nil {
			_, _ = p.Update(id, t.record("q"), hour, e.Revision)
		}
	}
	deletes := func() { _ = p.Delete(id) }
	creates := func() { _, _ = p.Create(id, t.record("q"), hour) }
	between := func(what string, kind FaultKind, somebody func(), call func() error, want ...error) {
		undo := f.failing(Fault{Kind: kind, Between: somebody})
		err := call()
		undo()
		t.wantErr(what, err, want...)
	}
	// It was applied. Who cannot tell says so, and who can, by a server that knows its
	// repeats, says that.
	between("Update whose reply was lost, and somebody updated", LoseReply, builds, update, store.ErrUnknown, nil)
	v = f.load(id).Revision
	between("Update whose reply was lost, and somebody deleted", LoseReply, deletes, update, store.ErrUnknown, nil)
	id = t.newID()
	between("Create whose reply was lost, and somebody updated", LoseReply, builds, create, store.ErrUnknown, nil)
	// It was not applied, and is no success.
	v = f.load(id).Revision
	between("Update that was lost, and somebody updated", LoseRequest, builds, update, store.ErrUnknown, store.ErrConflict)
	v = f.load(id).Revision
	between("Update that was lost, and somebody deleted", LoseRequest, deletes, update, store.ErrUnknown, store.ErrNotFound)
	id = t.newID()
	between("Create that was lost, and somebody created", LoseRequest, creates, create, store.ErrUnknown, store.ErrExists)
}

func fail5(t *T) {
	f := t.subject()
	p := f.peer()
	if p == nil {
		t.Skip("Subject.Peer is missing: nobody can write before the repeat")
	}
	for _, kind := range []FaultKind{LoseReply, LoseRequest} {
		id, theirs := t.newID(), t.record("o")
		v := f.create(id, t.record("o"), hour)
		var foreign store.Revision
		undo := f.failing(Fault{Kind: kind, Between: func() {
			if e, err := p.Load(id); err == nil {
				foreign, _ = p.Update(id, theirs, hour, e.Revision)
			}
		}})
		ours := t.record("o")
		_, err := f.Update(id, ours, hour, v)
		undo()
		if foreign == 0 {
			t.Fatalf("the other handle could not write in between: look at Subject.Break and Fault.Between")
		}
		// Ours came first or not at all: what is there is theirs.
		f.holds(fmt.Sprintf("after %s, an Update by somebody else, and our repeat (%s)", kind, errText(err)), id, theirs, foreign)
	}
	// Many clients count on one session while replies are lost.
	id := t.newID()
	f.create(id, store.Record{Data: number(0)}, hour)
	var acked, unsure atomic.Int64
	for range t.rounds(10, 40) {
		first := f.load(id) // before the fault, so that it strikes an Update
		undo := f.failing(Fault{Kind: LoseReply})
		t.together(4, func(int) {
			e := first
			for range 3 {
				_, err := f.Update(id, store.Record{Data: number(numberOf(e.Data) + 1)}, hour, e.Revision)
				switch {
				case err == nil:
					acked.Add(1)
				case !errors.Is(err, store.ErrConflict):
					unsure.Add(1)
				}
				if e, err = f.Load(id); err != nil {
					return
				}
			}
		})
		undo()
	}
	n := int64(numberOf(f.peer().load(id).Data)) // by one that has nothing in a cache
	if n < acked.Load() || n > acked.Load()+unsure.Load() {
		t.Errorf("the counter is %d after %d increments that succeeded and %d of unknown outcome", n, acked.Load(), unsure.Load())
	}
}
