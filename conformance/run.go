package conformance

import (
	"context"
	"strings"
	"testing"
)

// Run tests the store that open makes, each requirement as a subtest that can be
// chosen with -run, like TestConformance/UPDATE-2. It logs the report's summary.
func Run(t *testing.T, open Open, opts ...Option) Report {
	t.Helper()
	if configure(opts).bubble {
		return runInBubble(t, open, opts)
	}
	e, err := newEngine(t.Context(), open, opts)
	if err != nil {
		t.Fatal(err)
	}
	if skip, err := e.first(); err != nil {
		t.Fatal(err)
	} else if skip != "" {
		t.Skip(skip)
	}
	e.startSlow()
	var results []Result
	for _, r := range e.selected() {
		t.Run(r.ID, func(t *testing.T) {
			res := e.run(r, t)
			results = append(results, res)
			show(t, res)
		})
	}
	for _, wait := range e.slow {
		wait() // also where -run chose another: nothing runs on after the test
	}
	if len(results) < len(e.selected()) {
		e.only = never // -run chose some: no levels
	}
	rep := e.report(results, "", nil)
	t.Log(rep.Summary())
	return rep
}

func runInBubble(t *testing.T, open Open, opts []Option) Report {
	t.Helper()
	rep := verifyInBubble(t, open, opts)
	if rep.Skipped != "" {
		t.Skip(rep.Skipped)
	}
	for _, res := range rep.Results {
		t.Run(res.ID, func(t *testing.T) { show(t, res) })
	}
	if rep.Err != "" {
		t.Fatal(rep.Err)
	}
	t.Log(rep.Summary())
	return rep
}

// show tells the subtest what came of its requirement.
func show(t *testing.T, res Result) {
	t.Helper()
	if len(res.Notes) > 0 {
		t.Logf("not tested: %s", strings.Join(res.Notes, "; "))
	}
	switch res.Status {
	case Pass:
	case Fail:
		t.Errorf("\n%s", res.Explain())
	default:
		t.Skipf("%s: %s", res.Status, res.Reason)
	}
}

// Verify tests the store that open makes without go test: a program can ask it of
// a staging server. The run's own troubles are in Report.Err.
//
// Inside a [testing/synctest] bubble of the caller's own, a store that waits for a
// lock for ever hangs the run, since the bubble's time stands still: there, [Run]
// with [InBubble] is the better choice.
func Verify(ctx context.Context, open Open, opts ...Option) Report {
	return verify(ctx, open, opts, nil)
}

// verify is Verify, or one bubble of verifyInBubble.
func verify(ctx context.Context, open Open, opts []Option, bubble *bubbleRun) Report {
	e, err := newEngine(ctx, open, opts)
	if err != nil {
		return Report{Schema: schema, Err: err.Error()}
	}
	if bubble != nil {
		e.beat = &bubble.beat
	}
	skip, err := e.first()
	if err != nil || skip != "" {
		return e.report(nil, skip, err)
	}
	var results []Result
	if bubble != nil {
		// One after the other, so that it is known which of them hangs: waiting
		// costs nothing here.
		for _, r := range e.selected() {
			results = append(results, bubble.run(e, r))
		}
		return e.report(results, "", nil)
	}
	e.startSlow()
	for _, r := range e.selected() {
		results = append(results, e.run(r, nil))
	}
	return e.report(results, "", nil)
}
