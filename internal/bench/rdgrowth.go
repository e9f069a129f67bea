package main

import "fmt"

// pipelined compares loads by an AutoPipeliner with those by its client.
func (r *rd) pipelined(goroutines, cycles int) ([]line, error) {
	p, err := r.space("piped")
	if err != nil {
		return nil, err
	}
	defer p.close()
	all := p.visitors(r.sizes.held, false)
	if err := p.create(all, noise(dataBytes)); err != nil {
		return nil, err
	}
	contexts, end := requestContexts(goroutines)
	defer end()
	var failed failure
	res := compare(comparison{
		goroutines: goroutines,
		waits:      true,
		ours:       failed.calls(goroutines, len(all), func(g, i int) error { return load(contexts[g], p.quick, all[i].id) }),
		limit:      failed.calls(goroutines, len(all), func(g, i int) error { return load(contexts[g], p.store, all[i].id) }),
	}, cycles)
	what := fmt.Sprintf("redis, load, 512 B, by an AutoPipeliner, %s, the limit by its client of %d connections", count(goroutines), connections)
	return []line{res.line(what, target{allocs: -1})}, failed.err()
}

// growth compares loads from a server before and after it has got a hundred times the
// sessions. There is only one space of keys, so that they cannot be made in turn: what
// is compared is how many times a PING takes as long, which knows no keys.
func (r *rd) growth(cycles int) ([]line, error) {
	p, err := r.space("grown")
	if err != nil {
		return nil, err
	}
	defer p.close()
	var failed failure
	var all []visitor
	against := func(call func(i int) error) result {
		return compare(comparison{
			goroutines: 1,
			waits:      true,
			ours:       failed.calls(1, len(all), func(_, i int) error { return call(i) }),
			limit:      failed.calls(1, 1, func(_, _ int) error { return p.client.Ping(ctx).Err() }),
		}, cycles)
	}
	data := noise(dataBytes)
	var ours, hand []result
	for _, n := range []int{r.sizes.small, r.sizes.large} {
		more := p.visitors(n-len(all), true)
		if err := p.create(more, data); err != nil {
			return nil, err
		}
		all = append(all, more...)
		ours = append(ours, against(func(i int) error { return load(ctx, p.store, all[i].id) }))
		hand = append(hand, against(func(i int) error { return p.get(ctx, p.session(all[i].id)) }))
		if err := failed.err(); err != nil {
			return nil, err
		}
	}
	return grownLines("redis", r.sizes.large, r.sizes.small, grown(ours), grown(hand)), nil
}

// session is the key of a session, as package redis lays it out on a single server.
func (p *space) session(id string) string { return p.prefix + "{000}s:" + id }

// grown is what came of the same comparison before and after something grew.
func grown(r []result) result {
	before, after := r[0], r[1]
	after.limit, after.limitAllocs = before.ours, before.oursAllocs
	after.ratio /= before.ratio
	return after
}
