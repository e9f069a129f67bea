package conformance

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// engine runs checks and judges them.
type engine struct {
	config
	open    Open
	edition edition
	ctx     context.Context
	now     time.Time     // of the waivers
	beat    *atomic.Int64 // changes while the run gets on
	begins  func(*T)      // told of each check

	slow  map[string]func() Result // started, by id; the call waits
	about Subject                  // what the first open said of itself
}

func newEngine(ctx context.Context, open Open, opts []Option) (*engine, error) {
	e := &engine{config: configure(opts), open: open, ctx: ctx, slow: map[string]func() Result{}, now: time.Now(), beat: new(atomic.Int64)}
	if e.err != nil {
		return nil, e.err
	}
	if open == nil {
		return nil, errors.New("conformance: open is nil")
	}
	ed, err := loadEdition(e.config.edition)
	if err != nil {
		return nil, err
	}
	e.edition = ed
	return e, nil
}

// first opens a store to see that it can be done, and what it says of itself.
func (e *engine) first() (skip string, err error) {
	t := e.newT("open", nil)
	t.run(func(t *T) { e.about = t.subject().Subject })
	switch {
	case t.skip != "":
		return t.skip, nil
	case t.failed:
		return "", fmt.Errorf("conformance: the store cannot be opened: %s", join(t.lines))
	}
	return "", nil
}

func (e *engine) newT(id string, around testing.TB) *T {
	h := fnv.New64a()
	h.Write([]byte(id))
	t := &T{TB: around, ctx: e.ctx, id: id, open: e.open, rng: rand.New(rand.NewPCG(e.seed, h.Sum64()))}
	t.trace.beat = e.beat
	return t
}

// selected are the requirements that this run looks at.
func (e *engine) selected() []Requirement {
	var out []Requirement
	for _, r := range requirements {
		if e.only == nil || e.only.MatchString(r.ID) {
			out = append(out, r)
		}
	}
	return out
}

func (e *engine) claimed(l Level) bool { return len(e.levels) == 0 || slices.Contains(e.levels, l) }

// startSlow begins the checks that wait in real time, beside the others.
func (e *engine) startSlow() {
	for _, r := range e.selected() {
		if !r.slow || !e.claimed(r.Level) {
			continue
		}
		result := make(chan Result, 1)
		go func() { result <- e.judge(r, e.attempt(r, nil)) }()
		e.slow[r.ID] = sync.OnceValue(func() Result { return <-result })
	}
}

// run returns the result of one requirement.
func (e *engine) run(r Requirement, around testing.TB) Result {
	if !e.claimed(r.Level) {
		return Result{ID: r.ID, Sentence: r.Sentence, Level: r.Level, Status: Skip, exempt: true, Reason: "the level " + string(r.Level) + " is not claimed"}
	}
	if wait, ok := e.slow[r.ID]; ok {
		return wait()
	}
	return e.judge(r, e.attempt(r, around))
}

// grace is what a check has to return after its time is up and its context done.
const grace = 5 * time.Second

// attempt runs the check and says what came of it, before waivers and editions.
func (e *engine) attempt(r Requirement, around testing.TB) Result {
	ctx, cancel := context.WithTimeout(e.ctx, e.limit)
	defer cancel()
	t := e.newT(r.ID, around)
	t.ctx = ctx
	if e.begins != nil {
		e.begins(t)
	}
	start := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); t.run(r.check) }()
	hangs := ""
	select {
	case <-done:
	case <-ctx.Done():
		// What respects its context returns now, and its cleanups run.
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			hangs = fmt.Sprintf("a call did not return within %v, nor after its context was done", e.limit)
		}
	}
	e.beat.Add(1)
	res := t.result(r, hangs)
	res.Time = time.Since(start)
	return res
}

// result is what came of a check that is over, or hangs for the reason given.
func (t *T) result(r Requirement, hangs string) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	res := Result{ID: r.ID, Sentence: r.Sentence, Level: r.Level, Status: Pass, Notes: slices.Clone(t.notes), exempt: t.exempt}
	switch {
	case t.failed || hangs != "":
		lines := slices.Clone(t.lines)
		if t.more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more", t.more))
		}
		if hangs != "" {
			lines = append(lines, hangs)
		}
		res.Status, res.Reason = Fail, join(lines)
	case t.late || t.ctx.Err() != nil:
		res.Status, res.Reason = Unknown, fmt.Sprintf("out of time (%v)", t.ctx.Err())
	case t.unsure != "":
		res.Status, res.Reason = Unknown, t.unsure
	case t.skip != "":
		res.Status, res.Reason = Skip, t.skip
	}
	if res.Status == Fail {
		res.Calls = t.calls
		if !t.failed {
			res.Calls = t.trace.last()
		}
	}
	return res
}

// judge applies the edition, the waiver and strictness.
func (e *engine) judge(r Requirement, res Result) Result {
	bad := res.Status == Fail || e.strict && (res.Status == Unknown || res.Status == Skip && !res.exempt)
	if !slices.Contains(e.edition.ids, r.ID) {
		res.Reason = fmt.Sprintf("newer than edition %s, %s: %s", e.edition.name, res.Status, res.Reason)
		res.Status = New
		return res
	}
	w, waived := e.waivers[r.ID]
	switch {
	case waived && res.Status == Pass:
		res.Status, res.Reason = Fail, fmt.Sprintf("it passes, but is waived (%s): remove the waiver", w.why)
	case waived && !w.until.IsZero() && !e.now.Before(w.until):
		res.Status, res.Reason = Fail, fmt.Sprintf("the waiver (%s) ended before %s: %s", w.why, w.until.Format(time.DateOnly), res.Reason)
	case waived:
		res.Status, res.Reason = Waived, fmt.Sprintf("%s (without the waiver: %s)", w.why, res.Reason)
		res.Calls = nil
	case bad && res.Status != Fail:
		res.Reason = fmt.Sprintf("strict: %s: %s", res.Status, res.Reason)
		res.Status = Fail
	}
	return res
}
