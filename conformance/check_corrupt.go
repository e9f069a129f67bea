package conformance

import "github.com/sojourn-go/sojourn/store"

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
	if out, err := f.List(store.Query{Data: true}); can(err) {
		f.must("List beside what cannot be read", err)
		t.only("List beside what cannot be read", out, others...)
	}
	f.lists("beside what cannot be read", "o", others...)
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
	f.sweepAmongUnreadable()
}

// sweepAmongUnreadable sees to it that Sweep removes what has expired and can be
// read, wherever it comes upon what cannot.
func (f *fixture) sweepAmongUnreadable() {
	t := f.t
	if f.Age == nil {
		t.note("that Sweep goes on past what cannot be read: no Subject.Age")
		return
	}
	if _, err := f.Sweep(); !can(err) || f.Expires != "" {
		return
	}
	const bad, expired = 6, 60
	ids := t.newIDs(bad)
	f.fill(ids, t.record("o"), 99*hour)
	for _, id := range ids {
		f.must("Subject.Corrupt", f.Corrupt(t.ctx, id))
	}
	f.fill(t.newIDs(expired), t.record("o"), hour)
	if err := f.Age(t.ctx, 2*hour); err != nil {
		t.note("that Sweep goes on past what cannot be read: Subject.Age cannot age it")
		return
	}
	t.trace.add("-- 2 h go by (Age)")
	// What is read as it is looked for may be counted too, once.
	if n, err := f.Sweep(); err != nil || n < expired {
		t.Errorf("Sweep of %d that have expired, among %d that cannot be read and live on, returned %d, %s", expired, bad, n, errText(err))
	}
	for _, id := range ids {
		_, err := f.Load(id)
		t.wantErr("Load of what cannot be read, after Sweep", err, store.ErrCorrupt)
	}
}
