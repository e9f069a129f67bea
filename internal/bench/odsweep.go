package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

func (o *od) sweepRows() []row { return []row{{"orientdb, sweep", o.sweep}} }

// sweep measures loads of a class during a Sweep, which buries what has expired. What was
// buried is deleted by a Sweep that comes minutes later, which is measured after that.
func (o *od) sweep(int) ([]line, error) {
	ear := &listener{RoundTripper: &http.Transport{MaxIdleConnsPerHost: connections}}
	c, err := o.class("swept", &http.Client{Transport: ear})
	if err != nil {
		return nil, err
	}
	defer c.close()
	all := c.visitors(o.sizes.held, true)
	if err := c.insertLive(all, dataBytes); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := c.insert(c.visitors(o.sizes.expired, true), func() []byte { return noise(dataBytes) },
		func() time.Time { return now.Add(-2*time.Hour - rand.N(20*time.Hour)) }); err != nil {
		return nil, err
	}
	var live []string
	for _, v := range all {
		live = append(live, v.id)
	}
	var warmed failure
	measure(warmed.calls(16, len(live), func(_, i int) error { return load(ctx, c.store, live[i]) }), 16, o.sizes.warming)
	if err := warmed.err(); err != nil {
		return nil, err
	}
	ear.clear()
	lines, err := sweep("orientdb", c.store, live, o.sizes.expired, o.sizes.quiet, func() error { return nil })
	if err != nil {
		return nil, err
	}
	lines = append(lines, ear.line(fmt.Sprintf("a Sweep buries %d", o.sizes.expired), "UPDATE"))
	deleted, err := c.purge(ear, o.sizes.expired)
	return append(lines, deleted), err
}

// purge measures how the next Sweep deletes what was buried. Not by the index of due, which
// it changes: what that has moved it would find again.
func (c *odClass) purge(ear *listener, buried int) (line, error) {
	if _, err := c.db.sql(ctx, "UPDATE "+c.name+" SET exp=exp+300000, due=due+5 WHERE exp<0", struct{}{}); err != nil {
		return line{}, err
	}
	records := func() (int, error) {
		lines, err := c.db.sql(ctx, "SELECT count(*) AS n FROM "+c.name, struct{}{})
		if err != nil {
			return 0, err
		}
		if len(lines) != 1 {
			return 0, errAnswer(fmt.Sprintf("%d lines to a count", len(lines)))
		}
		return lines[0].N, nil
	}
	before, err := records()
	if err != nil {
		return line{}, err
	}
	ear.clear()
	if _, err := c.store.Sweep(ctx); err != nil {
		return line{}, err
	}
	after, err := records()
	if err == nil && before-after != buried {
		err = fmt.Errorf("deleted %d of %d buried", before-after, buried)
	}
	return ear.line(fmt.Sprintf("the next Sweep deletes the %d buried", buried), "DELETE"), err
}

// line tells of the statements of a Sweep.
func (l *listener) line(what, verb string) line {
	h := l.of(verb)
	return line{
		what:  fmt.Sprintf("orientdb, %s", what),
		ours:  duration(h.took),
		noise: fmt.Sprintf("%d statements, the longest %s", h.n, duration(h.longest)),
	}
}
