package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/reports"
)

// reached is what an adapter has reached on a server.
type reached struct {
	text   string // "core, listing, waived: OWNER-6"
	levels int    // how many
}

// levelsOf puts together what the runs on one server say. One that did not look at a
// level, as it has not the hook for it or was not held to the level, says nothing of it: a
// test that kills the server may be a run of its own. All that looked must agree.
func levelsOf(runs []reports.Run) (reached, error) {
	var parts []string
	for _, l := range conformance.Levels() {
		var yes, no []string // files
		for _, r := range runs {
			switch v, against := verdictOn(r.Report, l); v {
			case held:
				yes = append(yes, r.File)
			case broken:
				no = append(no, r.File+against)
			}
		}
		if len(yes) > 0 && len(no) > 0 {
			const below = "\n               "
			return reached{}, fmt.Errorf("the runs disagree on the level %s\n  reached:     %s\n  not reached: %s",
				l, strings.Join(yes, below), strings.Join(no, below))
		}
		if len(yes) > 0 {
			parts = append(parts, string(l))
		}
		if l == conformance.Core && len(yes) == 0 {
			break // no other counts without it
		}
	}
	what := reached{levels: len(parts)}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	if waived := waivers(runs); len(waived) > 0 {
		parts = append(parts, "waived: "+strings.Join(waived, ", "))
	}
	what.text = strings.Join(parts, ", ")
	return what, nil
}

type verdict int

const (
	untested verdict = iota
	held
	broken
)

// verdictOn is what a run says of a level, and why not.
func verdictOn(r conformance.Report, l conformance.Level) (v verdict, against string) {
	if slices.Contains(r.Levels, l) {
		return held, ""
	}
	skipped := false
	var ids []string
	for _, x := range r.Results {
		switch {
		case x.Level != l, x.Status == conformance.Pass, x.Status == conformance.New:
		case x.Status == conformance.Skip:
			skipped = true
		default:
			ids = append(ids, x.ID+" "+string(x.Status))
		}
	}
	switch {
	case len(ids) > 0:
		return broken, " (" + strings.Join(ids, ", ") + ")"
	case skipped:
		return untested, ""
	case l == conformance.Core, slices.Contains(r.Levels, conformance.Core):
		return broken, ""
	}
	// All of it passed, in a run without core, which reaches nothing by itself.
	return held, ""
}

// waivers are the requirements that a run has waived, in the order of the contract.
func waivers(runs []reports.Run) []string {
	var out []string
	for _, q := range conformance.Requirements() {
		if slices.ContainsFunc(runs, func(r reports.Run) bool {
			return slices.ContainsFunc(r.Results, func(x conformance.Result) bool { return x.ID == q.ID && x.Status == conformance.Waived })
		}) {
			out = append(out, q.ID)
		}
	}
	return out
}
