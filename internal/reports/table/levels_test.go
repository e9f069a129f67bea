package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/reports"
)

const (
	core, listing, durable, faults = conformance.Core, conformance.Listing, conformance.Durable, conformance.Faults
)

// ran is the report of a run that reached the levels and was held to no others.
func ran(adapter, server string, levels ...conformance.Level) conformance.Report {
	r := conformance.Report{Schema: 1, Edition: "2026.1", Digest: "sha256:0", Adapter: adapter, Server: server, Levels: levels}
	for _, q := range conformance.Requirements() {
		x := conformance.Result{ID: q.ID, Level: q.Level, Status: conformance.Pass}
		if !slices.Contains(levels, q.Level) {
			x.Status, x.Reason = conformance.Skip, "the level "+string(q.Level)+" is not claimed"
		}
		r.Results = append(r.Results, x)
	}
	if !slices.Contains(levels, core) {
		r.Levels = []conformance.Level{} // as the suite has it
	}
	return r
}

// but is the report when a requirement came to something else, with what that does to
// the levels.
func but(r conformance.Report, id string, s conformance.Status) conformance.Report {
	r.Results = slices.Clone(r.Results)
	i := slices.IndexFunc(r.Results, func(x conformance.Result) bool { return x.ID == id })
	r.Results[i].Status = s
	if s != conformance.New {
		lost := r.Results[i].Level
		r.Levels = slices.DeleteFunc(slices.Clone(r.Levels), func(l conformance.Level) bool { return l == lost || lost == core })
	}
	return r
}

func inFiles(all ...conformance.Report) []reports.Run {
	var runs []reports.Run
	for i, r := range all {
		runs = append(runs, reports.Run{File: fmt.Sprintf("%d.json", i), Report: r})
	}
	return runs
}

func TestCells(t *testing.T) {
	const waived, failed, unknown, skipped = conformance.Waived, conformance.Fail, conformance.Unknown, conformance.Skip
	pg := func(version string, levels ...conformance.Level) conformance.Report {
		return ran("a", "PostgreSQL "+version, levels...)
	}
	for name, c := range map[string]struct {
		runs []conformance.Report
		want cells
	}{
		"one run":                 {inReports(pg("17.2", core, listing)), cells{"core, listing", "PostgreSQL 17"}},
		"in the order of levels":  {inReports(pg("17.2", faults, listing, core)), cells{"core, listing, faults", "PostgreSQL 17"}},
		"several servers alike":   {inReports(pg("17.2", core), pg("18.1", core)), cells{"core", "PostgreSQL 17, 18"}},
		"core alone is not there": {inReports(but(pg("17.2", core, listing), "LOAD-1", failed)), cells{"none", "PostgreSQL 17"}},
		"a level failed":          {inReports(but(pg("17.2", core, listing), "LIST-1", failed)), cells{"core", "PostgreSQL 17"}},
		"a level undecided":       {inReports(but(pg("17.2", core, listing), "LIST-1", unknown)), cells{"core", "PostgreSQL 17"}},
		"newer than the edition":  {inReports(but(pg("17.2", core, listing), "LIST-1", conformance.New)), cells{"core, listing", "PostgreSQL 17"}},
		"a waiver":                {inReports(but(pg("17.2", core, listing), "OWNER-6", waived)), cells{"core, waived: OWNER-6", "PostgreSQL 17"}},
		"waivers in order": {
			inReports(but(but(pg("17.2", core, listing, faults), "FAIL-1", waived), "OWNER-6", waived)),
			cells{"core, waived: OWNER-6, FAIL-1", "PostgreSQL 17"},
		},
		"a waiver on one of two servers": {
			inReports(but(pg("15.2", core, listing), "OWNER-6", waived), pg("17.2", core, listing), pg("18.2", core, listing)),
			cells{"core, listing (PostgreSQL 17, 18); core, waived: OWNER-6 (PostgreSQL 15)", "PostgreSQL 15, 17, 18"},
		},
		"levels differ": {
			inReports(ran("a", "Valkey 8", core), ran("a", "Redis 7.2.1", core, listing)),
			cells{"core, listing (Redis 7.2); core (Valkey 8)", "Redis 7.2; Valkey 8"},
		},
		"most levels first": {
			inReports(ran("a", "A 1", core), ran("a", "B 1", core, listing, faults), ran("a", "C 1", core, faults), ran("a", "D 1")),
			cells{"core, listing, faults (B 1); core, faults (C 1); core (A 1); none (D 1)", "A 1; B 1; C 1; D 1"},
		},
		"several runs that agree": {
			inReports(pg("17.2", core, listing), pg("17.2", core, listing), pg("17.3 (Debian 17.3-1)", core, listing)),
			cells{"core, listing", "PostgreSQL 17"},
		},
		"a run of its own for one level":       {inReports(pg("17.2", core, listing), pg("17.2", durable)), cells{"core, listing, durable", "PostgreSQL 17"}},
		"that run, on another server":          {inReports(pg("17.2", core), pg("18.2", durable)), cells{"core (PostgreSQL 17); none (PostgreSQL 18)", "PostgreSQL 17, 18"}},
		"that run, with a newer requirement":   {inReports(pg("17.2", core), but(pg("17.2", durable), "CRASH-2", conformance.New)), cells{"core, durable", "PostgreSQL 17"}},
		"that run alone":                       {inReports(pg("17.2", durable)), cells{"none", "PostgreSQL 17"}},
		"that run did not look at all of it":   {inReports(pg("17.2", core), but(pg("17.2", durable), "CRASH-2", skipped)), cells{"core", "PostgreSQL 17"}},
		"that run failed":                      {inReports(pg("17.2", core), but(pg("17.2", durable), "CRASH-2", failed)), cells{"core", "PostgreSQL 17"}},
		"a hook is missing in one of the runs": {inReports(pg("17.2", core, listing), but(pg("17.2", core, listing), "OWNER-6", skipped)), cells{"core, listing", "PostgreSQL 17"}},
	} {
		for range 2 {
			slices.Reverse(c.runs)
			found, err := findings(inFiles(c.runs...))
			if err != nil || found["a"] != c.want {
				t.Errorf("%s: %q, %v\nwant %q", name, found["a"], err, c.want)
			}
		}
	}
}

func inReports(r ...conformance.Report) []conformance.Report { return r }

func TestContradictions(t *testing.T) {
	whole := ran("a", "Redis 8.0.2", core, listing)
	otherEdition, otherDigest := whole, whole
	otherEdition.Edition, otherDigest.Digest = "2027.1", "sha256:1"
	less := func(levels ...conformance.Level) conformance.Report { r := whole; r.Levels = levels; return r }
	for name, c := range map[string]struct {
		runs []conformance.Report
		says []string
	}{
		"one failed": {
			inReports(whole, but(whole, "LIST-1", conformance.Fail)),
			[]string{"a on Redis 8.0: the runs disagree on the level listing", "reached:     0.json\n", "not reached: 1.json (LIST-1 fail)"},
		},
		"on another patch": {
			inReports(whole, but(ran("a", "Redis 8.0.3", core, listing), "LIST-1", conformance.Unknown)),
			[]string{"disagree on the level listing", "1.json (LIST-1 unknown)"},
		},
		"one without core":       {inReports(whole, but(whole, "LOAD-1", conformance.Fail)), []string{"disagree on the level core"}},
		"one waived":             {inReports(whole, whole, but(whole, "LIST-1", conformance.Waived)), []string{"0.json\n               1.json", "2.json (LIST-1 waived)"}},
		"no reason for the lack": {inReports(whole, less(core)), []string{"disagree on the level listing", "not reached: 1.json"}},
		"nor for that of core":   {inReports(whole, less()), []string{"disagree on the level core", "not reached: 1.json"}},
		"another edition":        {inReports(whole, otherEdition), []string{"0.json is of edition 2026.1 sha256:0, 1.json of edition 2027.1 sha256:0"}},
		"another draft of one":   {inReports(whole, otherDigest), []string{"0.json is of edition 2026.1 sha256:0, 1.json of edition 2026.1 sha256:1"}},
		"two adapters, each wrong": {
			inReports(whole, but(whole, "LIST-1", conformance.Fail), ran("b", "x", core), but(ran("b", "x", core), "LOAD-1", conformance.Fail)),
			[]string{"a on Redis 8.0", "b on x"},
		},
	} {
		_, err := findings(inFiles(c.runs...))
		for _, want := range c.says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v\nwant %q in it", name, err, want)
			}
		}
	}
}
