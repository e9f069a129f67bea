package main

import (
	"context"
	"fmt"
)

// verb compares a verb of the store with the command that a program would send.
func (r *rd) verb(name string, owned bool, goroutines, cycles int) ([]line, error) {
	p, err := r.space("sessions")
	if err != nil {
		return nil, err
	}
	defer p.close()
	data := noise(dataBytes)
	v := verb{what: fmt.Sprintf("redis, %s, 512 B, %s", name, whose(owned)), goroutines: goroutines, of: r.sizes.held}
	switch name {
	case "load":
		v.must = 1.2
	case "update":
		v.must = map[bool]float64{false: 1.5, true: 2.1}[owned]
	case "touch":
		v.must = map[bool]float64{false: 1.4, true: 2}[owned]
	}
	ours := side{
		call: callOf(p.store, name, data),
		put:  func(all []visitor) error { return p.create(all, data) },
		remove: func(all []visitor) error {
			return each(all, func(u *visitor) error { return p.quick.Delete(ctx, u.id) })
		},
	}
	hand := side{
		call: p.byHand(name, data),
		put:  func(all []visitor) error { return p.keep(all, data) },
		remove: func(all []visitor) error {
			return each(all, func(u *visitor) error { return p.auto.Del(ctx, u.key).Err() })
		},
	}
	err = v.between(name, func(n int) []visitor { return p.visitors(n, owned) }, ours, hand)
	if err != nil {
		return nil, err
	}
	return v.compare(cycles)
}

// byHand returns the command in the place of a verb.
func (p *space) byHand(name string, data []byte) func(ctx context.Context, v *visitor) error {
	switch name {
	case "load":
		return func(ctx context.Context, v *visitor) error { return p.get(ctx, v.key) }
	case "delete":
		return func(ctx context.Context, v *visitor) error {
			n, err := p.client.Del(ctx, v.key).Result()
			if err == nil && n != 1 {
				err = fmt.Errorf("deleted %d keys", n)
			}
			return err
		}
	}
	return func(ctx context.Context, v *visitor) error { return p.client.Set(ctx, v.key, data, lifetime).Err() }
}

// get reads by hand what keep has written.
func (p *space) get(ctx context.Context, key string) error {
	b, err := p.client.Get(ctx, key).Bytes()
	if err == nil && len(b) < dataBytes {
		err = fmt.Errorf("read %d B", len(b))
	}
	return err
}
