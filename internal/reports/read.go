package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sojourn-go/sojourn/conformance"
)

// Run is the report of one run.
type Run struct {
	File string // its name in the folder
	conformance.Report
}

// Read returns the reports in the folder dir, in the order of their files. That one
// cannot be read, or is of a run that says nothing of its store, is an error that names
// the file; and so is a folder without any.
func Read(dir string) ([]Run, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	var runs []Run
	var errs []error
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ext {
			continue
		}
		run := Run{File: e.Name()}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			err = json.Unmarshal(text, &run.Report)
		}
		if err == nil {
			err = usable(run.Report)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reports: %s: %w", e.Name(), err))
		}
		runs = append(runs, run)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("reports: none in %s: the tests write them when %s names this folder, and go test does not answer from its cache (-count=1)", dir, Env)
	}
	return runs, errors.Join(errs...)
}

// usable says why nothing can be claimed of a store by the report, if so.
func usable(r conformance.Report) error {
	switch {
	case r.Schema != schema:
		return fmt.Errorf("its schema is %d, want %d", r.Schema, schema)
	case r.Err != "":
		return errors.New(r.Err)
	case r.Skipped != "":
		return fmt.Errorf("the run was skipped: %s", r.Skipped)
	case r.Selected:
		return errors.New("only some requirements were run")
	case r.Adapter == "":
		return errors.New("it names no adapter")
	case r.Server == "":
		return errors.New("it does not say on what it was tested: Subject.Server is empty")
	}
	return nil
}
