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
	p := f.precision()
	ttl := max(300*time.Millisecond, 4*p)
	over := ttl + 2*p + 100*time.Millisecond
	// A session for each moment that it is looked at, since in some stores a look
	// changes something (TTL-7).
	for _, after := range []time.Duration{ttl / 2, ttl * 9 / 10, over} {
		id := t.newID()
		before := time.Now()
		f.create(id, t.record("o"), ttl)
		created := time.Now()
		time.Sleep(after)
		asked := time.Now()
		_, err := f.Load(id)
		switch {
		case err == nil && asked.Sub(created) >= over:
			t.Errorf("a session of %v can still be loaded %v after it was created", ttl, asked.Sub(created))
		case err == nil:
		case time.Since(before) < ttl-p:
			t.Errorf("a session of %v, %v after it was created: %s", ttl, time.Since(before), errText(err))
		default:
			t.wantErr("Load of an expired session", err, store.ErrNotFound)
		}
	}
	if f.Age == nil {
		t.note("longer lives: no Subject.Age")
		return
	}
	// Two, so that a store that extends a life by reading breaks TTL-7 only.
	read, unread := t.newID(), t.newID()
	r := t.record("")
	f.create(read, r, hour)
	f.create(unread, r, hour)
	f.age(50 * time.Minute)
	f.holds("created for 1 h, 50 min later (or Subject.Age is wrong)", read, r, 0)
	f.age(20 * time.Minute)
	f.missing("created for 1 h, 70 min later (or Subject.Age is wrong)", unread)
}

func ttl2(t *T) {
	f := t.subject()
	ids := t.newIDs(6)
	revs := make([]store.Revision, len(ids))
	for i, id := range ids {
		revs[i] = f.create(id, t.record("o"), hour)
	}
	f.create(t.newID(), t.record("o"), 9*hour)
	// Nothing has been cleaned up a second after the end.
	f.age(hour + 2*f.precision() + time.Second)
	f.missing("Load of an expired session", ids[0])
	if _, err := f.Update(ids[1], t.record("o"), hour, revs[1]); err == nil {
		t.Errorf("Update of an expired session succeeded")
	}
	if err := f.Touch(ids[2], hour); err == nil {
		t.Errorf("Touch of an expired session succeeded")
	}
	_ = f.Delete(ids[3]) // what it returns is DELETE-2
	for _, q := range []store.Query{{Owner: "o"}, {}} {
		if out, err := f.List(q); can(err) {
			f.must("List", err)
			for _, id := range ids {
				if _, listed := out[id]; listed {
					t.Errorf("List yields a session that has expired")
					break
				}
			}
		}
	}
	if n, err := f.Count(); can(err) {
		f.must("Count", err)
		if n > 1 {
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
		_, err := f.Create(fresh, t.record("q"), ttl)
		t.wantErr("Create for "+ttl.String(), err, store.ErrInvalid)
		f.gone("after Create for "+ttl.String(), fresh)
		f.unlisted("after Create for "+ttl.String(), "q", fresh)
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
	var tiny []time.Duration
	for _, ttl := range []time.Duration{1, 999, p - 1, p + 1} {
		if ttl > 0 {
			tiny = append(tiny, ttl)
		}
	}
	verbs := []struct {
		name string
		call func(id string, ttl time.Duration) error
	}{
		{"Create", func(id string, ttl time.Duration) error { return second(f.Create(id, t.record(""), ttl)) }},
		{"Update", func(id string, ttl time.Duration) error {
			return second(f.Update(id, t.record(""), ttl, f.create(id, t.record(""), hour)))
		}},
		{"Touch", func(id string, ttl time.Duration) error {
			f.create(id, t.record(""), hour)
			return f.Touch(id, ttl)
		}},
	}
	// That it is there at first shows only where the store answers in time, and
	// then it must be there each time.
	judged := 0
	for range t.rounds(2, 20) {
		for _, ttl := range tiny {
			for _, v := range verbs {
				id := t.newID()
				_, _ = f.Load(id) // the connection is warm
				before := time.Now()
				if err := v.call(id, ttl); err != nil {
					t.Errorf("%s for %v: %s", v.name, ttl, errText(err))
					return
				}
				_, err := f.Load(id)
				if took, up := time.Since(before), store.RoundUp(ttl, p); took < up-up/8 {
					judged++
					if err != nil {
						t.Errorf("%s for %v at a precision of %v, loaded %v later: %s", v.name, ttl, p, took, errText(err))
						return
					}
				}
			}
		}
		if judged > 100 {
			break
		}
	}
	if judged == 0 {
		t.note("that the session is there at first: no call was quick enough")
	}
	if !f.ages("that it does not live for ever") {
		return
	}
	ids := map[string]string{}
	for _, ttl := range tiny {
		for _, v := range verbs {
			id := t.newID()
			f.must(v.name+" for "+ttl.String(), v.call(id, ttl))
			ids[id] = v.name + " for " + ttl.String()
		}
	}
	f.age(10*time.Second + 2*p)
	for id, what := range ids {
		f.gone(what+", 10 s later", id)
	}
}

func ttl5(t *T) {
	f := t.subject()
	const year = 365 * 24 * hour
	created, updated, touched := t.newID(), t.newID(), t.newID()
	f.create(created, t.record(""), 10*year)
	f.update(updated, t.record(""), 10*year, f.create(updated, t.record(""), hour))
	f.create(touched, t.record(""), hour)
	f.touch(touched, 10*year)
	ids := map[string]string{"Create": created, "Update": updated, "Touch": touched}
	for what, id := range ids {
		f.left(what+" for ten years", id, 10*year)
	}
	if !f.ages("that it is there in ten years") {
		return
	}
	f.age(10*year - hour)
	for what, id := range ids {
		if _, err := f.Load(id); err != nil {
			t.Errorf("%s for ten years, an hour before their end: %s", what, errText(err))
		}
	}
	_, _ = f.Sweep()
	for what, id := range ids {
		if _, err := f.Load(id); err != nil {
			t.Errorf("%s for ten years, an hour before their end, after Sweep: %s", what, errText(err))
		}
	}
}

func ttl6(t *T) {
	f := t.subject()
	id := t.newID()
	var written time.Time
	right := func(got time.Duration, who string, ttl time.Duration) {
		slack := 2 * f.precision()
		if since := time.Since(written); got > ttl+slack || got < ttl-since-slack {
			t.Errorf("Entry.TTL for %s\n  got:  %v\n  want: %v, less what went by since (%v)", who, got, ttl, since)
		}
	}
	check := func(c *client, who string, ttl time.Duration) {
		for _, q := range []store.Query{{}, {Owner: "o"}} {
			if out, err := c.List(q); err == nil {
				if l, ok := out[id]; ok {
					right(l.TTL, who+", in a listing", ttl)
				}
			}
		}
		e, err := c.Load(id)
		f.must("Load by "+who, err)
		right(e.TTL, who, ttl)
	}
	written = time.Now()
	f.create(id, t.record("o"), hour)
	check(f.client, "the writer", hour)
	for _, by := range []time.Duration{hour, -hour, 366 * 24 * hour} {
		if f.Skewed == nil {
			t.note("a reader whose clock is wrong: no Subject.Skewed")
			break
		}
		s, err := f.Skewed(t.ctx, by)
		if err != nil {
			t.Fatalf("Subject.Skewed failed: %v", err)
		}
		check(f.other(s, "skewed:"), "a reader whose clock is off by "+by.String(), hour)
	}
	if f.ages("a life that is partly over") {
		f.age(45 * time.Minute)
		check(f.client, "the writer, 45 min later", 15*time.Minute)
	}
	// In real time: with nothing but the store itself.
	wait := max(100*time.Millisecond, 3*f.precision())
	if wait > 5*time.Second {
		t.note("a life that is over in part, in real time: the precision is too coarse to wait for")
		return
	}
	id = t.newID()
	written = time.Now()
	f.create(id, t.record("o"), hour)
	created := time.Now()
	time.Sleep(wait)
	most := hour - time.Since(created) + 2*f.precision()
	e := f.load(id)
	if e.TTL > most {
		t.Errorf("Entry.TTL %v after Create for 1 h\n  got:  %v\n  want: at most %v", wait, e.TTL, most)
	}
}

func ttl7(t *T) {
	f := t.subject()
	id := t.newID()
	f.create(id, t.record("o"), hour)
	// In real time: with nothing but the store itself.
	wait := max(100*time.Millisecond, 4*f.precision())
	if wait > 5*time.Second {
		t.note("in real time: the precision is too coarse to wait for")
	} else {
		time.Sleep(wait)
		first := f.load(id).TTL
		if again := f.load(id).TTL; again > first+2*f.precision() {
			t.Errorf("Load extended the life\n  got:  %v left, after %v\n  want: not more", again, first)
		}
	}
	if !f.ages("a life that is read when it is partly over") {
		return
	}
	f.age(40 * time.Minute)
	for range 3 {
		f.load(id)
	}
	for _, q := range []store.Query{{Data: true}, {Owner: "o"}} {
		if _, err := f.List(q); can(err) {
			f.must("List", err)
		}
	}
	_, _ = f.Count()
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
	// One that was touched in between has the Update's life, not the Touch's.
	id := t.newID()
	f.create(id, t.record(""), hour)
	f.touch(id, 9*hour)
	f.update(id, t.record(""), hour, f.load(id).Revision)
	f.left("touched to 9 h, then updated to 1 h", id, hour)
	if !f.ages("whether the new lifetime is kept") {
		return
	}
	f.age(2 * hour)
	if _, err := f.Load(long); err != nil {
		t.Errorf("updated from 1 h to 5 h, 2 h later: %s", errText(err))
	}
	f.gone("updated from 5 h to 1 h, 2 h later", brief)
}
