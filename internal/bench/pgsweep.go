package main

import (
	"math/rand/v2"
	"time"
)

func (p *pg) sweepRows() []row {
	return []row{{"postgres, sweep", p.sweep}}
}

// sweep measures loads of a table during a Sweep.
func (p *pg) sweep(int) ([]line, error) {
	pool, s, drop, err := p.table("swept")
	if err != nil {
		return nil, err
	}
	defer drop()
	live, _, err := p.create("swept", p.sizes.held, dataBytes)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if _, err := fill(pool, "swept", p.sizes.expired, func(int) time.Time { return now.Add(-2*time.Hour - rand.N(20*time.Hour)) }); err != nil {
		return nil, err
	}
	return sweep("postgres", s, live, p.sizes.expired, p.sizes.quiet, func() error {
		_, err := pool.Exec(ctx, `VACUUM swept`) // or the server would, now
		return err
	})
}
