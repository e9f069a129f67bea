package conformance

import (
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func sweep1(t *T) {
	f := t.subject()
	if f.Expires != "" {
		if _, err := store.Sweep(t.ctx, f.s); !can(err) {
			f.expiresByItself()
			return
		}
	}
	const expired = 540 // more than one batch of any store that works in batches of 500
	live := map[string]store.Record{}
	add := func(ttl time.Duration) string {
		id := t.newID()
		live[id] = t.record("")
		f.create(id, live[id], ttl)
		return id
	}
	f.sweep()
	for range 20 {
		add(9 * hour)
	}
	touched, updated := add(hour), add(hour)
	f.fill(t.newIDs(expired), plain("o"), hour)
	f.age(40 * time.Minute)
	f.touch(touched, hour)
	live[updated] = t.record("")
	f.update(updated, live[updated], 9*hour, f.load(updated).Revision)
	f.age(40 * time.Minute)
	if n := f.sweep(); n != expired {
		t.Errorf("Sweep returned %d, want %d", n, expired)
	}
	for id, r := range live {
		f.holds("a live session after Sweep", id, r, 0)
	}
	if f.Rows == nil {
		t.note("that what expired is physically gone: no Subject.Rows")
	} else if n, ok := f.rows(len(live)); !ok {
		t.Errorf("%d records are physically there after Sweep, want %d", n, len(live))
	}
	if n := f.sweep(); n != 0 {
		t.Errorf("Sweep again returned %d", n)
	}
	// A life that was made shorter ends early.
	brief := t.newID()
	f.create(brief, plain("o"), 9*hour)
	f.touch(brief, hour)
	f.age(hour + hour/2)
	for id := range live {
		if !lives(f.Load(id)) {
			delete(live, id) // touched is over too
		}
	}
	ended := !lives(f.Load(brief)) // or TOUCH-1 tells of it
	f.sweep()
	if f.Rows != nil && ended {
		if n, ok := f.rows(len(live)); !ok {
			t.Errorf("%d records are physically there after a life was made shorter, ended, and Sweep, want %d", n, len(live))
		}
	}
	f.sweepAgainstCreate(f.client)
}

// sweepAgainstCreate creates sessions anew under ids whose sessions have
// expired, while sweepers run. None of them may be removed.
func (f *fixture) sweepAgainstCreate(sweepers ...*client) {
	t := f.t
	for range t.rounds(4, 12) {
		ids := t.newIDs(40)
		f.fill(ids, plain("o"), hour)
		f.age(2 * hour)
		t.together(4+len(sweepers), func(w int) {
			if w >= 4 {
				if _, err := sweepers[w-4].Sweep(); err != nil {
					t.Errorf("Sweep beside Creates: %s", errText(err))
				}
				return
			}
			for i := w; i < len(ids); i += 4 {
				if _, err := f.s.Create(t.ctx, ids[i], plain("o"), 9*hour); err != nil {
					t.Errorf("Create of an id whose session expired, beside Sweep: %s", errText(err))
				}
			}
		})
		if _, n := f.alive(ids); n < len(ids) {
			t.Errorf("%d of %d sessions that were created while Sweep ran are gone", len(ids)-n, len(ids))
		}
	}
}

func (f *fixture) expiresByItself() {
	t := f.t
	if f.Rows == nil {
		t.doesNotApply("no Sweeper: what expires is removed by " + f.Expires)
	}
	stays := t.newID()
	f.create(stays, t.record("o"), 9*hour)
	f.fill(t.newIDs(20), plain("o"), hour)
	f.age(2 * hour)
	if n, ok := f.rows(1); !ok {
		t.Errorf("%d records are physically there 5 s after all but 1 expired; %s should have removed them", n, f.Expires)
	}
	if _, err := f.Load(stays); err != nil {
		t.Errorf("the live session: %s", errText(err))
	}
}

func sweep2(t *T) {
	f := t.subject()
	if _, err := f.Sweep(); !can(err) && f.Expires != "" {
		t.doesNotApply("no Sweeper: what expires is removed by " + f.Expires)
	} else {
		f.needs(err, "Sweep")
	}
	second := f.client
	if p := f.peer(); p != nil {
		second = p
	}
	live := t.newIDs(20)
	f.fill(live, plain("o"), 99*hour)
	const expired = 300
	f.fill(t.newIDs(expired), plain(""), hour)
	f.age(2 * hour)
	var sum atomic.Int64
	t.together(2, func(i int) {
		n, err := []*client{f.client, second}[i].Sweep()
		if err != nil {
			t.Errorf("one of two Sweeps at once: %s", errText(err))
		}
		sum.Add(int64(n))
	})
	if sum.Load() > expired {
		t.Errorf("two Sweeps at once say that they removed %d of %d", sum.Load(), expired)
	}
	f.sweepAgainstCreate(f.client, second)
	if _, n := f.alive(live); n < len(live) {
		t.Errorf("%d of %d live sessions are gone after two Sweeps at once", len(live)-n, len(live))
	}
}

func sweep3(t *T) {
	f := t.subject()
	if f.Sweeping == nil {
		t.doesNotApply("no background sweeper (no Subject.Sweeping)")
	}
	if f.Rows == nil {
		t.Skip("Subject.Rows is missing: whether the sweeper goes on cannot be seen")
	}
	f.fill(t.newIDs(20), plain(""), hour)
	f.age(2 * hour)
	told := make(chan error, 100)
	s, err := f.Sweeping(t.ctx, func(err error) {
		select {
		case told <- err:
		default:
		}
	})
	f.must("Subject.Sweeping", err)
	f.other(s, "sweeping:")
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	select {
	case err := <-told:
		if err == nil {
			t.Errorf("OnError was called with nil")
		}
	case <-timeout.C:
		t.Errorf("the background sweeper failed once, and OnError was not told within 10 s")
	}
	n := 0
	if !t.eventually(10*time.Second, func() bool {
		n, err = f.Rows(t.ctx)
		f.must("Subject.Rows", err)
		return n == 0
	}) {
		t.Errorf("%d expired records are there 10 s after the background sweeper failed once: it did not go on", n)
	}
}
