package conformance

import (
	"bytes"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func iso1(t *T) {
	a, b := t.subject(), t.subject()
	id, only := t.newID(), t.newID()
	ra, rb := t.record("o"), t.record("o")
	va := a.create(id, ra, hour)
	v := a.create(only, ra, hour)
	b.gone("another store's session", id)
	vb := b.create(id, rb, hour)
	a.holds("one store's session beside the other's", id, ra, va)
	if out, err := b.List(store.Query{}); can(err) {
		b.must("List", err)
		t.only("List", out, id)
	}
	b.lists("beside another store", "o", id)
	if n, err := b.Count(); can(err) && n != 1 {
		t.Errorf("Count is %d, want 1 (%s)", n, errText(err))
	}
	_ = b.Touch(only, 9*hour)
	_, _ = b.Update(only, rb, 9*hour, v)
	_ = b.Delete(only)
	a.holds("after Touch, Update and Delete by the other store", only, ra, v)
	a.left("after Touch, Update and Delete by the other store", only, hour)
	if n, err := a.DeleteOwner("o"); can(err) {
		a.must("DeleteOwner", err)
		if n > 2 {
			t.Errorf("DeleteOwner returned %d, want 2", n)
		}
	}
	b.holds("after the other store's DeleteOwner", id, rb, vb)
}

func conc1(t *T) {
	f := t.subject()
	shared := t.newID()
	f.create(shared, store.Record{Data: t.text(8), Owner: "shared"}, hour)
	own := make([][]string, 12)
	recs := make([]store.Record, len(own))
	next := make([]store.Record, len(own))
	for i := range own {
		own[i] = t.newIDs(4)
		recs[i], next[i] = store.Record{Data: t.text(20), Owner: "o"}, store.Record{Data: t.text(24), Owner: "o"}
	}
	fails := func(what string, err error, may ...error) {
		if err == nil || !can(err) {
			return
		}
		for _, m := range may {
			if errors.Is(err, m) {
				return
			}
		}
		t.Errorf("%s beside calls of other goroutines: %s", what, errText(err))
	}
	all := func(w int) {
		switch w % 4 {
		case 0:
			fails("List", second(f.List(store.Query{Owner: "shared"})))
		case 1:
			fails("Count", second(f.Count()))
		case 2:
			fails("Sweep", second(f.Sweep()))
		case 3:
			fails("DeleteOwner", second(f.DeleteOwner("nobody")))
		}
	}
	t.together(len(own), func(w int) {
		for i, id := range own[w] {
			fails("Create", second(f.Create(id, recs[w], hour)))
			e, err := f.Load(id)
			fails("Load", err)
			if err != nil {
				return
			}
			v, err := f.Update(id, next[w], hour, e.Revision)
			fails("Update", err)
			e, err = f.Load(id)
			fails("Load", err)
			if err == nil && (e.Revision != v || !bytes.Equal(e.Data, next[w].Data)) {
				t.Errorf("Load beside other goroutines read another session, or an old one")
			}
			fails("Touch", f.Touch(id, 2*hour))
			fails("Touch", f.Touch(shared, hour+time.Duration(1+4*w+i)*time.Minute))
			s, err := f.Load(shared)
			fails("Load", err)
			if err == nil {
				fails("Update", second(f.Update(shared, store.Record{Data: t.text(8), Owner: "shared"}, hour, s.Revision)), store.ErrConflict, store.ErrNotFound) // which of them is UPDATE-2
			}
			all(w)
			fails("Delete", f.Delete(id))
		}
	})
	for range t.rounds(2, 5) {
		t.together(len(own), all)
	}
}

func conc2(t *T) {
	f := t.subject()
	p := f.peer()
	if p == nil {
		t.Skip("Subject.Peer is missing: nothing can be seen across handles")
	}
	for _, h := range [][2]*client{{f.client, p}, {p, f.client}} {
		a, b := h[0], h[1]
		id, r := t.newID(), t.record("o")
		b.gone("before Create", id)
		v := a.create(id, r, hour)
		b.holds("created by the other handle", id, r, v)
		r = t.record("o")
		v = a.update(id, r, hour, v)
		b.holds("updated by the other handle", id, r, v)
		b.lists("by the other handle", "o", id)
		a.touch(id, 5*hour)
		b.left("touched to 5 h by the other handle", id, a.load(id).TTL, f.precision())
		r = t.record("o")
		v = b.update(id, r, hour, b.load(id).Revision)
		a.holds("updated by the handle that had only read", id, r, v)
		if n, err := b.Count(); can(err) && n != 1 {
			t.Errorf("Count by the other handle is %d, want 1 (%s)", n, errText(err))
		}
		a.delete(id)
		b.gone("deleted by the other handle", id)
		if n, err := b.Count(); can(err) && n != 0 {
			t.Errorf("Count by the other handle after Delete is %d (%s)", n, errText(err))
		}
		// An id that one handle has seen ended comes back by the other.
		r = t.record("o")
		if v, err := a.Create(id, r, hour); err == nil { // CREATE-3
			b.holds("created again by the other handle", id, r, v)
		}
		if n, err := a.DeleteOwner("o"); err == nil && n == 1 { // OWNER-3
			b.gone("after DeleteOwner by the other handle", id)
		}
		a.delete(id)
	}
}
