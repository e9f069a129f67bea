package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// lifetime is one that go-redis sends in milliseconds, as package redis does.
const lifetime = 24*time.Hour + time.Millisecond

// visitor is who has a session.
type visitor struct {
	id, owner string
	key       string // of what is kept for him by hand, where that is another
	revision  store.Revision
}

// guests makes visitors.
type guests struct {
	owners int // that there are
}

// visitors returns n, each with an owner of his own or all with none.
func (g *guests) visitors(n int, owned bool) []visitor {
	all := make([]visitor, n)
	for i, id := range newIDs(n) {
		all[i].id = id
		if owned {
			all[i].owner = owner(g.owners)
			g.owners++
		}
	}
	return all
}

func whose(owned bool) string {
	if owned {
		return "with an owner"
	}
	return "nobody's"
}

// verbRows are a row for each verb, with an owner and without.
func verbRows(store string, measure func(name string, owned bool, goroutines, cycles int) ([]line, error)) []row {
	var rows []row
	for _, goroutines := range []int{1, 16} {
		for _, name := range []string{"load", "create", "update", "touch", "delete"} {
			for _, owned := range []bool{false, true} {
				what := store + ", " + name + ", " + whose(owned)
				rows = append(rows, row{what + ", " + count(goroutines), func(cycles int) ([]line, error) {
					return measure(name, owned, goroutines, cycles)
				}})
			}
		}
	}
	return rows
}

// side is one of the two that are compared: a store, or a program that does it by hand.
type side struct {
	call        func(ctx context.Context, v *visitor) error // the verb
	put, remove func(all []visitor) error                   // off the clock
}

// callOf returns a call of a verb of the store.
func callOf(s store.Store, name string, data []byte) func(ctx context.Context, v *visitor) error {
	switch name {
	case "load":
		return func(ctx context.Context, v *visitor) error { return load(ctx, s, v.id) }
	case "create":
		return func(ctx context.Context, v *visitor) (err error) {
			v.revision, err = s.Create(ctx, v.id, store.Record{Data: data, Owner: v.owner}, lifetime)
			return err
		}
	case "update":
		return func(ctx context.Context, v *visitor) (err error) {
			v.revision, err = s.Update(ctx, v.id, store.Record{Data: data, Owner: v.owner}, lifetime, v.revision)
			return err
		}
	case "touch":
		return func(ctx context.Context, v *visitor) error { return s.Touch(ctx, v.id, lifetime) }
	}
	return func(ctx context.Context, v *visitor) error { return s.Delete(ctx, v.id) }
}

// between has v call two sides: for a visitor by chance who has a session with both, or
// where the verb makes sessions or ends some, for the next one.
func (v *verb) between(name string, fresh func(n int) []visitor, ours, hand side) error {
	if name == "create" || name == "delete" {
		a, b := ours.supply(name, fresh), hand.supply(name, fresh)
		v.ours = func(ctx context.Context, _ int) error { return ours.call(ctx, a.take()) }
		v.hand = func(ctx context.Context, _ int) error { return hand.call(ctx, b.take()) }
		v.ready = func(n int) error {
			if err := a.ready(n); err != nil {
				return err
			}
			return b.ready(n)
		}
		return nil
	}
	all := fresh(v.of)
	v.ours = func(ctx context.Context, i int) error { return ours.call(ctx, &all[i]) }
	v.hand = func(ctx context.Context, i int) error { return hand.call(ctx, &all[i]) }
	if err := ours.put(all); err != nil {
		return err
	}
	return hand.put(all)
}

// supply is sessions of which every call uses one up: creates want some that are not
// there, deletes some that are.
type supply struct {
	fresh   func(n int) []visitor      // more of them
	restore func(used []visitor) error // has them as a call wants them
	all     []visitor
	used    atomic.Int64
}

func (s side) supply(name string, fresh func(n int) []visitor) *supply {
	if name == "create" {
		return &supply{fresh: fresh, restore: s.remove}
	}
	return &supply{fresh: fresh, restore: s.put}
}

func (s *supply) take() *visitor { return &s.all[s.used.Add(1)-1] }

// ready sees to it that n can be taken.
func (s *supply) ready(n int) error {
	used := s.used.Swap(0)
	if err := s.restore(s.all[:used]); err != nil {
		return err
	}
	had := len(s.all)
	if n > had {
		s.all = append(s.all, s.fresh(n-had)...)
	}
	return s.restore(s.all[had:])
}
