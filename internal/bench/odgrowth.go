package main

import (
	"fmt"
	"path"
	"strings"
	"time"
)

func (o *od) growthRows() []row {
	return []row{{"orientdb, growth", o.growth}, {"orientdb, bytes on disk, 8192 B", o.bytesOnDisk}}
}

// growth compares loads of a class with thirty times the sessions, and tells what the server
// keeps of them, and how long it takes to count them.
func (o *od) growth(cycles int) ([]line, error) {
	var ids [2][]string
	var grown [2]*odClass
	for i, n := range []int{o.sizes.small, o.sizes.large} {
		c, err := o.class(fmt.Sprintf("grown%d", i), nil)
		if err != nil {
			return nil, err
		}
		defer c.close()
		all := c.visitors(n, true)
		if err := c.insertLive(all, dataBytes); err != nil {
			return nil, err
		}
		for _, v := range all {
			ids[i] = append(ids[i], v.id)
		}
		grown[i] = c
	}
	ours := func(k, i int) error { return load(ctx, grown[k].store, ids[k][i]) }
	byHand := func(k, i int) error { return grown[k].db.find(ctx, leastSQL(grown[k].name, "load"), ids[k][i]) }
	var failed failure
	for _, f := range []func(k, i int) error{ours, byHand} {
		measure(failed.calls(16, len(ids[0]), func(_, i int) error { return f(0, i) }), 16, o.sizes.warming)
	}
	if err := failed.err(); err != nil {
		return nil, err
	}
	lines, err := growth("orientdb", ids, cycles, ours, byHand)
	if err != nil {
		return nil, err
	}
	counted, err := grown[1].counted(len(ids[1]))
	if err != nil {
		return nil, err
	}
	stored, err := o.stored(grown[1], len(ids[1]), dataBytes)
	return append(lines, counted, stored), err
}

// counted compares a count of those that live with the number of all records, which the
// server knows.
func (c *odClass) counted(want int) (line, error) {
	const times = 3
	var ours, limit []time.Duration
	for range times {
		start := time.Now()
		n, err := c.store.Count(ctx)
		ours = append(ours, time.Since(start))
		if err == nil && n != want {
			err = fmt.Errorf("counted %d, want %d", n, want)
		}
		if err != nil {
			return line{}, err
		}
		start = time.Now()
		if _, err := c.db.sql(ctx, "SELECT count(*) AS n FROM "+c.name, struct{}{}); err != nil {
			return line{}, err
		}
		limit = append(limit, time.Since(start))
	}
	return line{
		what: fmt.Sprintf("orientdb, count of %d sessions, the limit of all records whether they live or not", want),
		ours: duration(quantile(ours, 0.5)), limit: duration(quantile(limit, 0.5)),
		ratio: fmt.Sprintf("%.4g", float64(quantile(ours, 0.5))/float64(quantile(limit, 0.5))),
		noise: fmt.Sprintf("%s to %s", duration(quantile(ours, 0)), duration(quantile(ours, 1))),
	}, nil
}

// bytesOnDisk tells what the server keeps for a large session.
func (o *od) bytesOnDisk(int) ([]line, error) {
	c, err := o.class("stored", nil)
	if err != nil {
		return nil, err
	}
	defer c.close()
	const bytes = 8 << 10
	if err := c.insertLive(c.visitors(o.sizes.stored, true), bytes); err != nil {
		return nil, err
	}
	l, err := o.stored(c, o.sizes.stored, bytes)
	return []line{l}, err
}

// stored tells what the files take that the server has for a class, by their sizes: some
// for its clusters, which are records, places and what is free, and some for each index.
func (o *od) stored(c *odClass, n, bytes int) (line, error) {
	least := bytes + 43 + len(owner(0))
	l := line{
		what:  fmt.Sprintf("orientdb, on disk per session of %d B, each of %d with an owner of its own", bytes, n),
		limit: fmt.Sprintf("%d B", least),
	}
	sizes, told, err := o.server.files()
	if err != nil {
		return line{}, err
	}
	if !told {
		l.noise = "only of a server in a container of ours"
		return l, nil
	}
	var records, ids, others int
	for name, size := range sizes {
		name = strings.ToLower(name)
		rest, ours := strings.CutPrefix(name, c.name)
		switch {
		case ours && strings.HasPrefix(rest, ".id_"):
			ids += size
		case ours && strings.HasPrefix(rest, "."):
			others += size
		case ours && strings.HasPrefix(rest, "_"):
			switch path.Ext(name) {
			case ".pcl", ".cpm", ".fsm":
				records += size
			}
		}
	}
	total := records + ids + others
	l.ours, l.ratio = fmt.Sprintf("%d B", total/n), fmt.Sprintf("%.2f", float64(total)/float64(n*least))
	l.noise = fmt.Sprintf("%d B in its clusters, %d B in the index of the ids, which begins with 16 MiB, %d B in the other two; of the files, after the server was stopped", records/n, ids/n, others/n)
	return l, nil
}
