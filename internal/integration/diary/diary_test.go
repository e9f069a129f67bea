package diary

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func await(t *testing.T, d *Diary, enough func(Counts) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := d.Await(ctx, enough); err != nil {
		t.Fatal(err)
	}
}

// What is changed behind the writers' backs is found, and what only failed is not.
func TestDiary(t *testing.T) {
	m := memory.New(nil)
	s := faulty.New(m)
	d := Begin(t.Context(), s, "a")
	await(t, d, func(c Counts) bool { return c.Acknowledged > 100 && c.Deletes > 10 })
	for _, f := range []faulty.Fault{
		{Kind: faulty.Before, Times: 20},
		{Kind: faulty.Before, Err: store.ErrUnknown, Times: 20},
		{Kind: faulty.After, Err: store.ErrUnknown, Times: 20},
	} {
		before := d.Counts()
		s.Fail(f)
		await(t, d, func(c Counts) bool { return c.Failed == before.Failed+f.Times })
		if now := d.Counts(); errors.Is(f.Err, store.ErrUnknown) != (now.Unknown == before.Unknown+f.Times) {
			t.Errorf("%+v after %+v", now, before)
		}
	}
	d.Stop()
	if found, err := d.Check(t.Context(), s); len(found) != 0 || err != nil {
		t.Fatalf("%v, %v", found, err)
	}

	broken := map[Kind]int{Lost: 2, Undone: 1, Made: 2, Denied: 2}
	spoil := func(e *entry) (Kind, error) {
		ctx := t.Context()
		put := func(s step) error {
			_ = m.Delete(ctx, e.id)
			if s.data() == "" {
				return nil
			}
			_, err := m.Create(ctx, e.id, store.Record{Data: []byte(s.data())}, time.Hour)
			return err
		}
		switch {
		case e.open != none:
			return "", nil
		case e.done == updated && broken[Lost] > 1:
			return Lost, put(created)
		case e.done == updated && broken[Lost] > 0:
			e.denied = store.ErrNotFound // as is right then
			return Lost, put(none)
		case e.done == updated && broken[Denied] > 0:
			e.denied = store.ErrConflict
			return Denied, nil
		case e.done == deleted && broken[Undone] > 0:
			return Undone, put(updated)
		case e.done == none && broken[Made] > 0:
			return Made, put(created)
		}
		return "", nil
	}
	want := map[Kind]int{}
	for _, e := range d.entries {
		kind, err := spoil(e)
		if err != nil {
			t.Fatal(err)
		}
		if kind != "" {
			want[kind]++
			broken[kind]--
		}
	}
	if len(want) != 4 {
		t.Fatalf("only %v could be spoilt", want)
	}
	found, err := d.Check(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range want {
		if got := Count(found, kind); got != n {
			t.Errorf("%s: %d findings, want %d", kind, got, n)
		}
	}
}

// What was acknowledged before the moment must be there, and what was acknowledged after
// MayLose; in between the session may be as it was at any step.
func TestMayLose(t *testing.T) {
	m := memory.New(nil)
	d := &Diary{}
	begin := time.Now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	for id, c := range map[string]struct {
		when  []time.Time // each step was acknowledged
		holds step
		right bool
	}{
		"all-before":               {[]time.Time{at(1), at(2)}, created, false},
		"the-update-late":          {[]time.Time{at(1), at(6)}, created, true},
		"the-create-not":           {[]time.Time{at(1), at(6)}, none, false},
		"both-late":                {[]time.Time{at(6), at(6)}, none, true},
		"late-and-there":           {[]time.Time{at(6), at(6)}, updated, true},
		"the-end-late":             {[]time.Time{at(1), at(2), at(6)}, updated, true},
		"the-end-late-and-too-old": {[]time.Time{at(1), at(2), at(6)}, created, false},
		"the-end-early":            {[]time.Time{at(1), at(2), at(3)}, updated, false},
	} {
		e := &entry{id: id, done: step(len(c.when)), kept: step(len(c.when)), denied: store.ErrNotFound}
		copy(e.when[created:], c.when)
		d.entries = []*entry{e}
		d.MayLose(at(5))
		if c.holds.data() != "" {
			if _, err := m.Create(t.Context(), id, store.Record{Data: []byte(c.holds.data())}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if c.holds == e.done {
			e.denied = nil
		}
		if found, err := d.Check(t.Context(), m); err != nil || (len(found) == 0) != c.right {
			t.Errorf("%s: %v, %v", id, found, err)
		}
	}
}

func TestAwaitEnds(t *testing.T) {
	d := Begin(t.Context(), memory.New(nil), "a")
	defer d.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Await(ctx, func(c Counts) bool { return c.Failed > 0 }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
