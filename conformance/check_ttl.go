package conformance

import (
	"math"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// ttl1 waits in real time, for the shortest life that can be told from a slow
// call; and calibrates Subject.Age.
func ttl1(t *T) {
	f := t.subject()
	ttl := max(300*time.Millisecond, 4*f.precision())
	id := t.newID()
	before := time.Now()
	f.create(id, t.record("o"), ttl)
	created := time.Now()
	for {
		asked := time.Now()
		_, err := f.s.Load(t.ctx, id)
		if err == nil {
			if since := asked.Sub(created); since > ttl+2*f.precision()+100*time.Millisecond {
				t.Errorf("a session of %v can still be loaded %v after it was created", ttl, since)
				break
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		t.wantErr("Load of an expired session", err, store.ErrNotFound)
		if since := time.Since(before); since < ttl-f.precision() {
			t.Errorf("a session of %v is gone after %v", ttl, since)
		}
		break
	}
	if f.Age == nil {
		t.note("longer lives: no Subject.Age")
		return
	}
	id = t.newID()
	r := t.record("")
	f.create(id, r, hour)
	f.age(50 * time.Minute)
	f.holds("created for 1 h, 50 min later (or Subject.Age is wrong)", id, r, 0)
	f.age(20 * time.Minute)
	f.gone("created for 1 h, 70 min later (or Subject.Age is wrong)", id)
}

func ttl2(t *T) {
	f := t.subject()
	ids := t.newIDs(6)
	revs := make([]store.Revision, len(ids))
	for i, id := range ids {
		revs[i] = f.create(id, t.record("o"), hour)
	}
	alive := t.newID()
	f.create(alive, t.record("o"), 9*hour)
	f.age(hour + 10*time.Second)
	f.gone("Load of an expired session", ids[0])
	_, err := f.Update(ids[1], t.record("o"), hour, revs[1])
	t.wantErr("Update of an expired session", err, store.ErrNotFound)
	t.wantErr("Touch of an expired session", f.Touch(ids[2], hour), store.ErrNotFound)
	f.must("Delete of an expired session", f.Delete(ids[3]))
	if out, err := f.List(store.Query{Owner: "o"}); can(err) {
		f.must("List", err)
		if _, ok := out[alive]; len(out) != 1 || !ok {
			t.Errorf("List by owner yields %d sessions, want the 1 that has not expired", len(out))
		}
	}
	if n, err := f.Count(); can(err) {
		f.must("Count", err)
		if n != 1 {
			t.Errorf("Count is %d, want the 1 that has not expired", n)
		}
	}
	if _, err := f.Create(ids[5], t.record("o"), hour); err != nil {
		t.Errorf("Create of an id whose session expired: %s", errText(err))
	}
	for _, id := range ids[:5] {
		f.gone("Load of an expired session, at the end", id)
	}
}

func ttl3(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	for _, ttl := range []time.Duration{0, -1, -hour, math.MinInt64} {
		fresh := t.newID()
		_, err := f.Create(fresh, t.record(""), ttl)
		t.wantErr("Create for "+ttl.String(), err, store.ErrInvalid)
		f.gone("after Create for "+ttl.String(), fresh)
		_, err = f.Update(id, t.record("p"), ttl, v)
		t.wantErr("Update for "+ttl.String(), err, store.ErrInvalid)
		t.wantErr("Touch for "+ttl.String(), f.Touch(id, ttl), store.ErrInvalid)
		f.holds("after writes for "+ttl.String(), id, r, v)
		f.left("after writes for "+ttl.String(), id, hour)
	}
}

func ttl4(t *T) {
	f := t.subject()
	p := f.precision()
	tiny := []time.Duration{1, 999, p - 1, p + 1}
	judged := 0
	for range 20 {
		for _, ttl := range tiny {
			if ttl <= 0 {
				continue
			}
			up := store.RoundUp(ttl, p)
			write := []func(id string) error{
				func(id string) error { _, err := f.Create(id, t.record(""), ttl); return err },
				func(id string) error {
					v := f.create(id, t.record(""), hour)
					_, err := f.Update(id, t.record(""), ttl, v)
					return err
				},
				func(id string) error { f.create(id, t.record(""), hour); return f.Touch(id, ttl) },
			}
			for i, w := range write {
				id := t.newID()
				f.create(t.newID(), t.record(""), hour) // the connection is warm
				before := time.Now()
				err := w(id)
				if err != nil {
					t.Fatalf("%s for %v: %s", []string{"Create", "Update", "Touch"}[i], ttl, errText(err))
				}
				_, err = f.Load(id)
				if time.Since(before) < up-up/8 {
					judged++
					if err != nil {
						t.Errorf("%s for %v at a precision of %v, loaded %v later: %s",
							[]string{"Create", "Update", "Touch"}[i], ttl, p, time.Since(before), errText(err))
					}
				}
				if t.Failed() {
					return
				}
				if judged == 0 {
					continue
				}
			}
		}
		if judged > 8 {
			break
		}
	}
	if judged == 0 {
		t.note("that the session is there at first: no call was quick enough")
	}
	if f.Age == nil {
		t.note("that it does not live for ever: no Subject.Age")
		return
	}
	ids := t.newIDs(len(tiny))
	for i, ttl := range tiny {
		if ttl > 0 {
			f.must("Create", second(f.Create(ids[i], t.record(""), ttl)))
		}
	}
	f.age(10*time.Second + 2*p)
	for i, ttl := range tiny {
		f.gone("a session for "+ttl.String()+", 10 s later", ids[i])
	}
}

func second[A, B any](_ A, b B) B { return b }

func ttl5(t *T) {
	f := t.subject()
	const year = 365 * 24 * hour
	created, updated, touched := t.newID(), t.newID(), t.newID()
	f.create(created, t.record(""), 10*year)
	f.update(updated, t.record(""), 10*year, f.create(updated, t.record(""), hour))
	f.create(touched, t.record(""), hour)
	f.touch(touched, 10*year)
	for what, id := range map[string]string{"Create": created, "Update": updated, "Touch": touched} {
		f.left(what+" for ten years", id, 10*year)
	}
	f.age(10*year - hour)
	for what, id := range map[string]string{"Create": created, "Update": updated, "Touch": touched} {
		f.left(what+" for ten years, an hour before their end", id, hour)
	}
}

func ttl6(t *T) {
	f := t.subject()
	id := t.newID()
	check := func(c *client, who string, ttl time.Duration, since time.Time) {
		e, err := c.Load(id)
		f.must("Load by "+who, err)
		slack := 2 * f.precision()
		if e.TTL > ttl+slack || e.TTL < ttl-time.Since(since)-slack {
			t.Errorf("Entry.TTL for %s\n  got:  %v\n  want: %v, less what went by since (%v)", who, e.TTL, ttl, time.Since(since))
		}
	}
	before := time.Now()
	f.create(id, t.record("o"), hour)
	check(f.client, "the writer", hour, before)
	for _, by := range []time.Duration{hour, -hour, 366 * 24 * hour} {
		if f.Skewed == nil {
			t.note("a reader whose clock is wrong: no Subject.Skewed")
			break
		}
		s, err := f.Skewed(t.ctx, by)
		if err != nil {
			t.Fatalf("Subject.Skewed failed: %v", err)
		}
		check(f.other(s, "skewed:"), "a reader whose clock is off by "+by.String(), hour, before)
	}
	if out, err := f.List(store.Query{}); err == nil {
		if l := out[id].TTL; l > hour+2*f.precision() || l < hour-time.Since(before)-2*f.precision() {
			t.Errorf("TTL in a listing\n  got:  %v\n  want: %v", l, hour)
		}
	}
	if f.Age == nil {
		t.note("a life that is partly over: no Subject.Age")
		return
	}
	f.age(45 * time.Minute)
	check(f.client, "the writer, 45 min later", 15*time.Minute, before)
}

func ttl7(t *T) {
	f := t.subject()
	id := t.newID()
	f.create(id, t.record("o"), hour)
	f.age(40 * time.Minute)
	for range 3 {
		f.load(id)
	}
	if _, err := f.List(store.Query{Owner: "o", Data: true}); can(err) {
		f.must("List", err)
	}
	f.age(40 * time.Minute)
	f.gone("a session for 1 h, read after 40 min, 80 min later", id)
}

func ttl8(t *T) {
	f := t.subject()
	long, brief := t.newID(), t.newID()
	v := f.create(long, t.record(""), hour)
	f.update(long, t.record(""), 5*hour, v)
	v = f.create(brief, t.record(""), 5*hour)
	f.update(brief, t.record(""), hour, v)
	f.left("updated from 1 h to 5 h", long, 5*hour)
	f.left("updated from 5 h to 1 h", brief, hour)
	f.age(2 * hour)
	if _, err := f.Load(long); err != nil {
		t.Errorf("updated from 1 h to 5 h, 2 h later: %s", errText(err))
	}
	f.gone("updated from 5 h to 1 h, 2 h later", brief)
}
