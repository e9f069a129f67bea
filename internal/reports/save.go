package reports

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
)

// Env is the environment variable that names the folder of the reports, as an
// absolute path. Without it nothing is written.
const Env = "SOJOURN_TEST_REPORTS"

// schema is the version of [conformance.Report] that this package knows.
const schema = 1

// Save returns an option that writes the reports of the runs that it is given to
// into the folder that [Env] names, which it makes if need be, when t is over.
//
// A run of some requirements only is not written, nor is one that was skipped: they
// say nothing of a store. A test that failed for a reason that no requirement knows
// of (a race, a store that cannot be opened) writes a report that [Read] refuses, so
// that another run does not hide it. A panic leaves no such mark: go test itself
// cannot tell in time.
func Save(t testing.TB) conformance.Option {
	t.Helper()
	dir := os.Getenv(Env)
	if dir == "" {
		return conformance.OnReport(func(conformance.Report) {})
	}
	if !filepath.IsAbs(dir) {
		t.Fatalf("reports: %s is %q, want an absolute path: the tests of each package run in another folder", Env, dir)
	}
	var mu sync.Mutex
	var told []conformance.Report
	// Only at the end is it known whether the test failed; and a bubble, in which the
	// run may be, is left by then.
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range toWrite(t, told) {
			if err := write(dir, r); err != nil {
				t.Errorf("reports: %v", err)
			}
		}
	})
	return conformance.OnReport(func(r conformance.Report) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r)
	})
}

// toWrite are the reports that are worth a file, after the test.
func toWrite(t testing.TB, told []conformance.Report) []conformance.Report {
	var out []conformance.Report
	for _, r := range told {
		if !r.Selected && r.Skipped == "" {
			out = append(out, r)
		}
	}
	if !t.Failed() || slices.ContainsFunc(out, conformance.Report.Failed) {
		return out
	}
	test := t.Name() + " of " + filepath.Base(os.Args[0])
	if len(told) == 0 {
		return []conformance.Report{{Schema: schema, Err: test + " failed before it had a report"}}
	}
	for i := range out {
		out[i].Err = test + " failed, though no requirement did"
	}
	return out
}

// write makes a file of its own for the report, whole or not at all.
func write(dir string, r conformance.Report) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, fileName(r)+", *.part")
	if err != nil {
		return err
	}
	err = r.WriteJSON(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), strings.TrimSuffix(f.Name(), ".part")+ext)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("the report is not written: %w", err)
	}
	return nil
}

const ext = ".json"

// fileName is how the name of a report's file begins, like
// "postgres, PostgreSQL 17.12".
func fileName(r conformance.Report) string {
	if r.Adapter == "" {
		return "no report"
	}
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(" ,.-_+()", c):
			return c
		}
		return '_'
	}, path.Base(r.Adapter)+", "+r.Server)
	return strings.Trim(name[:min(len(name), 100)], " ,.")
}
