package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
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
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	if f.Break == nil {
		t.Skip("Subject.Break is missing: the backend cannot be made to fail")
	}
	for _, kind := range []FaultKind{Refuse, Reject} {
		undo, ok := f.breaks(Fault{Kind: kind})
		if !ok {
			t.note("the fault " + string(kind))
			continue
		}
		f.everyAtOnce(id, v, func(name string, call func(*client) error) {
			err := call(f.client)
			switch {
			case !can(err) && err != nil:
			case err == nil:
				t.Errorf("%s succeeded while the backend failed (%s)", name, kind)
			case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict):
				t.Errorf("%s while the backend failed (%s): %s", name, kind, errText(err))
			}
		})
		undo()
	}
}

func fail2(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for _, kind := range []FaultKind{Refuse, Reject} {
		undo := f.failing(Fault{Kind: kind})
		_, _ = f.Load(id)
		together(4, func(int) { _, _ = f.Load(id) })
		_ = f.Touch(id, hour)
		undo()
		var err error
		if !t.eventually(5*time.Second, func() bool { _, err = f.Load(id); return err == nil }) {
			t.Errorf("5 s after the backend is back (%s), Load: %s", kind, errText(err))
			return
		}
		f.holds("after the backend is back", id, r, v)
		r = t.record("p")
		v = f.update(id, r, hour, v)
		f.touch(id, hour)
		f.holds("written after the backend is back", id, r, v)
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
		r = t.record("p")
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
	// Somebody builds on the first attempt before it is repeated.
	id := t.newID()
	v := f.create(id, t.record("o"), hour)
	build := func() {
		if e, err := p.Load(id); err == nil {
			_, _ = p.Update(id, t.record("q"), hour, e.Revision)
		}
	}
	unknown := func(what string, ft Fault, call func() error) {
		undo := f.failing(ft)
		err := call()
		undo()
		t.wantErr(what, err, store.ErrUnknown)
	}
	unknown("Update whose reply was lost, and somebody updated", Fault{Kind: LoseReply, Between: build},
		func() error { return second(f.Update(id, t.record("o"), hour, v)) })
	v = f.load(id).Revision
	unknown("Update whose reply was lost, and somebody deleted", Fault{Kind: LoseReply, Between: func() { _ = p.Delete(id) }},
		func() error { return second(f.Update(id, t.record("o"), hour, v)) })
	id = t.newID()
	unknown("Create whose reply was lost, and somebody updated", Fault{Kind: LoseReply, Between: build},
		func() error { return second(f.Create(id, t.record("o"), hour)) })
}

func fail5(t *T) {
	f := t.subject()
	p := f.peer()
	if p == nil {
		t.Skip("Subject.Peer is missing: nobody can write before the repeat")
	}
	for _, kind := range []FaultKind{LoseReply, LoseRequest} {
		id, theirs := t.newID(), t.record("theirs")
		v := f.create(id, t.record("o"), hour)
		var foreign store.Revision
		undo := f.failing(Fault{Kind: kind, Between: func() {
			if e, err := p.Load(id); err == nil {
				foreign, _ = p.Update(id, theirs, hour, e.Revision)
			}
		}})
		ours := t.record("ours")
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
	f.create(id, store.Record{Data: make([]byte, 8)}, hour)
	var acked, unsure atomic.Int64
	for range 25 {
		undo := f.failing(Fault{Kind: LoseReply})
		together(3, func(int) {
			e, err := p.Load(id)
			if err != nil {
				return
			}
			n := binary.BigEndian.Uint64(e.Data)
			_, err = f.Update(id, store.Record{Data: binary.BigEndian.AppendUint64(nil, n+1)}, hour, e.Revision)
			switch {
			case err == nil:
				acked.Add(1)
			case !errors.Is(err, store.ErrConflict):
				unsure.Add(1)
			}
		})
		undo()
	}
	n := int64(binary.BigEndian.Uint64(f.load(id).Data))
	if n < acked.Load() || n > acked.Load()+unsure.Load() {
		t.Errorf("the counter is %d after %d increments that succeeded and %d of unknown outcome", n, acked.Load(), unsure.Load())
	}
}

func fail4(t *T) {
	f := t.subject()
	if f.Corrupt == nil {
		t.Skip("Subject.Corrupt is missing: nothing can be made unreadable")
	}
	id, r := t.newID(), t.record("o")
	others := t.newIDs(3)
	for _, o := range others {
		f.create(o, r, hour)
	}
	v := f.create(id, r, hour)
	f.must("Subject.Corrupt", f.Corrupt(t.ctx, id))
	is := func(when string) {
		_, loaded := f.Load(id)
		t.wantErr("Load of what cannot be read"+when, loaded, store.ErrCorrupt)
		_, updated := f.Update(id, r, hour, v)
		t.wantErr("Update of what cannot be read"+when, updated, store.ErrCorrupt)
		t.wantErr("Touch of what cannot be read"+when, f.Touch(id, hour), store.ErrCorrupt)
		_, created := f.Create(id, r, hour)
		t.wantErr("Create over what cannot be read"+when, created, store.ErrCorrupt)
	}
	is("")
	if out, err := f.List(store.Query{}); can(err) {
		f.must("List beside what cannot be read", err)
		t.only("List beside what cannot be read", out, others...)
	}
	if n, err := f.Count(); can(err) {
		f.must("Count beside what cannot be read", err)
		if n != len(others) && n != len(others)+1 {
			t.Errorf("Count beside what cannot be read is %d, want %d", n, len(others))
		}
	}
	if _, err := f.Sweep(); can(err) {
		f.must("Sweep beside what cannot be read", err)
	}
	is(", after Sweep")
	for _, o := range others {
		f.holds("another session", o, r, 0)
	}
	f.must("Delete of what cannot be read", f.Delete(id))
	f.gone("after Delete of what cannot be read", id)
	f.create(id, r, hour)
}

// after runs the hook, and returns a client for what is left.
func (f *fixture) after(what string, hook func() (store.Store, error)) *client {
	s, err := hook()
	f.t.trace.add("-- %s", what)
	f.must("Subject."+what, err)
	return f.other(s, "then:")
}

func crash1(t *T) {
	f := t.subject()
	if f.Crash == nil && f.Reopen == nil {
		t.Skip("Subject.Crash and Subject.Reopen are missing")
	}
	kept, updated, gone, touched := t.newID(), t.newID(), t.newID(), t.newID()
	check := func(c *client, when string, r, u store.Record, v store.Revision) {
		c.holds("a created session after "+when, kept, r, 0)
		c.holds("an updated session after "+when, updated, u, v)
		c.gone("a deleted session after "+when, gone)
		if _, err := c.Load(touched); err != nil {
			t.Errorf("another session after %s: %s", when, errText(err))
		}
		if out, err := c.List(store.Query{Owner: "o"}); can(err) {
			c.must("List after "+when, err)
			t.only("List after "+when, out, kept, touched)
		}
	}
	r, u := t.record("o"), t.record("p")
	write := func(c *client) store.Revision {
		c.create(kept, r, hour)
		v := c.update(updated, u, hour, c.create(updated, t.record("o"), hour))
		c.create(gone, t.record("o"), hour)
		c.delete(gone)
		c.create(touched, t.record("o"), hour)
		c.touch(touched, 2*hour)
		return v
	}
	v := write(f.client)
	c := f.client
	if f.Reopen == nil {
		t.note("closing in good order: no Subject.Reopen")
	} else {
		c = f.after("Reopen", func() (store.Store, error) { return f.Reopen(t.ctx) })
		check(c, "Reopen", r, u, v)
	}
	if f.Crash == nil {
		t.Skip("Subject.Crash is missing: nothing can be killed")
	}
	for _, id := range []string{kept, updated, touched} {
		c.delete(id)
	}
	v = write(c)
	c = f.after("Crash", func() (store.Store, error) { return f.Crash(t.ctx) })
	check(c, "Crash", r, u, v)
}

func crash2(t *T) {
	f := t.subject()
	if f.Crash == nil {
		t.Skip("Subject.Crash is missing: nothing can be killed")
	}
	whole := func(owner string) store.Record {
		b := t.data(20000)
		return store.Record{Data: binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(append(bytes.Clone(b), owner...))), Owner: owner}
	}
	ids := t.newIDs(8)
	c := f.client
	for range 4 {
		var wg sync.WaitGroup
		var begun atomic.Int64
		enough := make(chan struct{})
		for i, id := range ids {
			recs := []store.Record{whole(fmt.Sprint("o", i)), whole(fmt.Sprint("p", i))}
			wg.Go(func() {
				for n := range 1000 {
					if begun.Add(1) == 60 {
						close(enough)
					}
					e, err := c.s.Load(t.ctx, id)
					if errors.Is(err, store.ErrNotFound) {
						_, err = c.s.Create(t.ctx, id, recs[n%2], hour)
					} else if err == nil {
						_, err = c.s.Update(t.ctx, id, recs[n%2], hour, e.Revision)
					}
					if err != nil {
						return // it was killed
					}
				}
			})
		}
		idle := make(chan struct{})
		go func() { wg.Wait(); close(idle) }()
		select {
		case <-enough:
		case <-idle:
			t.Fatalf("the writers failed before anything was killed, after %d writes", begun.Load())
		}
		next := f.after("Crash", func() (store.Store, error) { return f.Crash(t.ctx) })
		<-idle
		c = next
		for _, id := range ids {
			e, err := c.Load(id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				t.Errorf("after a kill while it was written: %s", errText(err))
				continue
			}
			n := len(e.Data) - 4
			if n < 0 || binary.BigEndian.Uint32(e.Data[n:]) != crc32.ChecksumIEEE(append(bytes.Clone(e.Data[:n]), e.Owner...)) {
				t.Errorf("after a kill while it was written, a session is neither the old nor the new one: %d bytes of %q", len(e.Data), e.Owner)
			}
			if out, err := c.List(store.Query{Owner: e.Owner}); can(err) {
				c.must("List", err)
				t.only("List after a kill", out, id)
			}
		}
		if t.Failed() {
			return
		}
	}
}
