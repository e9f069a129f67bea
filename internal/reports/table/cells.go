package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/internal/reports"
)

// cells are the generated ones of an adapter's row.
type cells struct{ levels, tested string }

// findings returns the cells of each adapter, by its import path. Runs that contradict
// each other are an error.
func findings(runs []reports.Run) (map[string]cells, error) {
	byAdapter := map[string]map[server][]reports.Run{}
	var errs []error
	for _, r := range runs {
		if first := runs[0]; r.Edition != first.Edition || r.Digest != first.Digest {
			errs = append(errs, fmt.Errorf("%s is of edition %s %s, %s of edition %s %s: the levels of two editions do not go into one table",
				first.File, first.Edition, first.Digest, r.File, r.Edition, r.Digest))
		}
		if byAdapter[r.Adapter] == nil {
			byAdapter[r.Adapter] = map[server][]reports.Run{}
		}
		s := parseServer(r.Server)
		byAdapter[r.Adapter][s] = append(byAdapter[r.Adapter][s], r)
	}
	found := map[string]cells{}
	for _, adapter := range slices.Sorted(maps.Keys(byAdapter)) {
		servers := map[reached][]server{}
		for s, runs := range byAdapter[adapter] {
			what, err := levelsOf(runs)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s on %s: %w", adapter, s, err))
			}
			servers[what] = append(servers[what], s)
		}
		found[adapter] = cells{
			levels: levelsCell(servers),
			tested: list(slices.Collect(maps.Keys(byAdapter[adapter]))),
		}
	}
	return found, errors.Join(errs...)
}

// levelsCell names the servers only where they differ, those that reach most first.
func levelsCell(servers map[reached][]server) string {
	whats := slices.SortedFunc(maps.Keys(servers), func(a, b reached) int {
		return cmp.Or(cmp.Compare(b.levels, a.levels), cmp.Compare(a.text, b.text))
	})
	var parts []string
	for _, what := range whats {
		text := what.text
		if len(whats) > 1 {
			text += " (" + list(servers[what]) + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
