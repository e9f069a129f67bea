package main

import (
	"fmt"
	"slices"
	"strings"
)

// part is what can be chosen by -only.
type part struct {
	name  string
	usual bool // measured unless something else is chosen
	rows  []row
}

func parts(servers servers) []part {
	p := &pg{server: servers.postgres, sizes: pgFull}
	r := &rd{server: servers.redis, sizes: rdFull}
	m := &mg{server: servers.mongo, sizes: mgFull}
	o := newOD(servers.orientdb, odFull)
	return []part{
		{"memory", true, memoryRows()},
		{"request", true, requestRows()},
		{"file", true, filesFull.rows()},
		{"postgres", true, p.rows()},
		{"redis", true, r.rows()},
		{"mongo", true, m.rows()},
		{"orientdb", true, o.rows()},
		{"file-growth", false, filesFull.growthRows()},
		{"file-sweep", false, filesFull.sweepRows()},
		{"postgres-hot", false, p.hotRows()},
		{"postgres-sweep", false, p.sweepRows()},
		{"redis-memory", false, r.memoryRows()},
		{"mongo-growth", false, m.growthRows()},
		{"mongo-sweep", false, m.sweepRows()},
		{"orientdb-growth", false, o.growthRows()},
		{"orientdb-sweep", false, o.sweepRows()},
	}
}

func usual(all []part) []part {
	return slices.DeleteFunc(slices.Clone(all), func(p part) bool { return !p.usual })
}

func names(all []part) string {
	var names []string
	for _, p := range all {
		names = append(names, p.name)
	}
	return strings.Join(names, ",")
}

// choose returns the rows of the parts that only names, in the order of all.
func choose(all []part, only string) ([]row, error) {
	chosen := usual(all)
	if only != "" {
		wanted := strings.Split(only, ",")
		chosen = slices.DeleteFunc(slices.Clone(all), func(p part) bool { return !slices.Contains(wanted, p.name) })
		for _, name := range wanted {
			if !slices.ContainsFunc(all, func(p part) bool { return p.name == name }) {
				return nil, fmt.Errorf("-only: there is no part %q; the parts are %s", name, names(all))
			}
		}
	}
	var rows []row
	for _, p := range chosen {
		rows = append(rows, p.rows...)
	}
	return rows, nil
}

// missing is why a part cannot be measured here.
type missing struct {
	what string // that is not measured
	how  string // it could be had
	err  error
}

func (m *missing) Error() string {
	return fmt.Sprintf("%s is not measured: %v\n%s", m.what, m.err, m.how)
}

func (m *missing) Unwrap() error { return m.err }
