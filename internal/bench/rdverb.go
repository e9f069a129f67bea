package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// lifetime is one that go-redis sends in milliseconds, as package redis does.
const lifetime = 24*time.Hour + time.Millisecond

// verb compares a verb of the store with the command that a program would send.
func (r *rd) verb(name string, owned bool, goroutines, cycles int) ([]line, error) {
	p, err := r.space("sessions")
	if err != nil {
		return nil, err
	}
	defer p.close()
	data := noise(dataBytes)
	v := verb{what: fmt.Sprintf("redis, %s, 512 B, %s", name, whose(owned)), goroutines: goroutines, of: r.sizes.held}
	if name == "create" || name == "delete" {
		p.useUp(&v, name == "create", owned, data)
		return v.compare(cycles)
	}
	all := p.visitors(r.sizes.held, owned)
	if err := p.create(all, data); err != nil {
		return nil, err
	}
	if err := p.keep(all, data); err != nil {
		return nil, err
	}
	v.hand = func(ctx context.Context, i int) error { return p.client.Set(ctx, all[i].key, data, lifetime).Err() }
	switch name {
	case "load":
		v.must = 1.2
		v.ours = func(ctx context.Context, i int) error { return load(ctx, p.store, all[i].id) }
		v.hand = func(ctx context.Context, i int) error { return p.get(ctx, all[i].key) }
	case "update":
		v.must = map[bool]float64{false: 1.5, true: 2.1}[owned]
		v.ours = func(ctx context.Context, i int) (err error) {
			u := &all[i]
			u.revision, err = p.store.Update(ctx, u.id, store.Record{Data: data, Owner: u.owner}, lifetime, u.revision)
			return err
		}
	case "touch":
		v.must = map[bool]float64{false: 1.4, true: 2}[owned]
		v.ours = func(ctx context.Context, i int) error { return p.store.Touch(ctx, all[i].id, lifetime) }
	}
	return v.compare(cycles)
}

// get reads by hand what keep has written.
func (p *space) get(ctx context.Context, key string) error {
	b, err := p.client.Get(ctx, key).Bytes()
	if err == nil && len(b) < dataBytes {
		err = fmt.Errorf("read %d B", len(b))
	}
	return err
}

// useUp has v create sessions, or delete some.
func (p *space) useUp(v *verb, creates, owned bool, data []byte) {
	fresh := func(n int) []visitor { return p.visitors(n, owned) }
	create := func(all []visitor) error { return p.create(all, data) }
	keep := func(all []visitor) error { return p.keep(all, data) }
	end := func(all []visitor) error {
		return each(all, func(u *visitor) error { return p.quick.Delete(ctx, u.id) })
	}
	remove := func(all []visitor) error {
		return each(all, func(u *visitor) error { return p.auto.Del(ctx, u.key).Err() })
	}
	ours, hand := &supply{fresh: fresh, restore: create}, &supply{fresh: fresh, restore: keep}
	v.ours = func(ctx context.Context, _ int) error { return p.store.Delete(ctx, ours.take().id) }
	v.hand = func(ctx context.Context, _ int) error {
		n, err := p.client.Del(ctx, hand.take().key).Result()
		if err == nil && n != 1 {
			err = fmt.Errorf("deleted %d keys", n)
		}
		return err
	}
	if creates {
		ours.restore, hand.restore = end, remove
		v.ours = func(ctx context.Context, _ int) error {
			u := ours.take()
			_, err := p.store.Create(ctx, u.id, store.Record{Data: data, Owner: u.owner}, lifetime)
			return err
		}
		v.hand = func(ctx context.Context, _ int) error {
			return p.client.Set(ctx, hand.take().key, data, lifetime).Err()
		}
	}
	v.ready = func(n int) error {
		if err := ours.ready(n); err != nil {
			return err
		}
		return hand.ready(n)
	}
}

// supply is sessions of which every call uses one up: creates want some that are not
// there, deletes some that are.
type supply struct {
	fresh   func(n int) []visitor      // more of them
	restore func(used []visitor) error // has them as a call wants them
	all     []visitor
	used    atomic.Int64
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
