package call

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Kind is what a call does.
type Kind struct {
	Writes   bool          // a lost reply leaves the outcome open
	Ends     bool          // a cancellation ends it
	Patience time.Duration // how many times the store's call time it has
}

// The kinds of most calls.
var (
	Reads  = Kind{Patience: 1}
	Writes = Kind{Patience: 1, Writes: true}
)

// Verdict is what an error says about the attempt that it ended.
type Verdict int

// The verdicts.
const (
	Final   Verdict = iota // it was answered: the same again would get the same answer
	Again                  // it was not applied, and can be repeated as if for the first time
	Anew                   // likewise, a few times: what is in the way is gone then, or stays
	Lost                   // it may have been applied
	Unclear                // likewise, and it was answered: the same again, a few times, may tell
)

// Caller makes the calls of one store.
type Caller struct {
	Name    string        // of the adapter: every error begins with it
	Timeout time.Duration // Options.Timeout: 0 is 2 seconds, negative is no limit but the context

	// Told returns the error of an attempt without what no error may hold: ids,
	// owners, data. unsure tells that an earlier attempt may have been applied, of
	// which what refused this one says nothing.
	Told func(err error, unsure bool) error

	closed atomic.Bool
}

// Year is longer than anybody waits, and short enough to be added and multiplied.
const Year = 365 * 24 * time.Hour

// Limit is the longest that a call takes.
func (c *Caller) Limit() time.Duration {
	switch t := c.Timeout; {
	case t == 0:
		return 2 * time.Second
	case t < 0:
		return Year
	default:
		return min(t, Year)
	}
}

// Close has every call from now on return [store.ErrClosed].
func (c *Caller) Close() { c.closed.Store(true) }

// Check returns [store.ErrClosed] for a closed store, or else err.
func (c *Caller) Check(err error) error {
	if c.closed.Load() {
		return store.ErrClosed
	}
	return err
}

// Fail says what was being done. A missing session is common enough to be told
// without an allocation.
func (c *Caller) Fail(verb string, err error) error {
	if err == nil || err == store.ErrNotFound {
		return err
	}
	return fmt.Errorf("%s: %s: %w", c.Name, verb, err)
}

// Run calls f until it was answered, for at most the call time and never beyond ctx.
//
// An attempt whose reply was lost is repeated, with unsure set: an earlier one may
// have been applied (FAIL-3).
//
// The end of ctx by its deadline ends an attempt at once, and costs the connection,
// whose answer nobody would read. A cancellation lets it come to its end, within
// the call time: most end in a millisecond, and a client that goes away must not
// cost the pool a connection, nor leave the outcome of a write open. Where there is
// no call time, and for some kinds, it ends the attempt too.
func (c *Caller) Run(ctx context.Context, k Kind, f func(ctx context.Context, unsure bool) (Verdict, error)) error {
	end := time.Now().Add(c.Limit() * k.Patience)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	attempt := ctx
	if !k.Ends && c.Timeout >= 0 {
		attempt = context.WithoutCancel(ctx)
	}
	attempt, cancel := context.WithDeadline(attempt, end)
	defer cancel()
	unsure, anew := false, 0
	var telling error // the last one that says more than that the time was over
	for n := 0; ; n++ {
		v, err := f(attempt, unsure)
		if err == nil {
			return nil
		}
		if !timeOver(err) {
			telling = err
		}
		if _, ok := errors.AsType[*question](err); ok && v == Lost {
			v = Again
		} else if ok && v == Unclear {
			v = Anew
		}
		unsure = unsure || k.Writes && (v == Lost || v == Unclear)
		if v == Anew || v == Unclear {
			anew++
		}
		if v == Final || anew > 3 || ctx.Err() != nil || c.closed.Load() || !Pause(attempt, n) {
			return c.outcome(ctx, end, err, telling, unsure)
		}
	}
}

// Question marks the error of what a write asked after it was answered, to find out why it
// changed nothing: whatever became of the question, that attempt was not applied.
func Question(err error) error {
	if err == nil || Answered(err) {
		return err
	}
	return &question{err}
}

type question struct{ error }

func (e *question) Unwrap() error { return e.error }

// Pause waits before the n-th repeat, and reports whether there is time for it. The
// first comes at once: most replies are lost with one connection.
func Pause(ctx context.Context, n int) bool {
	if ctx.Err() != nil {
		return false
	}
	if n == 0 {
		return true
	}
	most := 5 * time.Millisecond << min(n-1, 5)
	t := time.NewTimer(most/2 + rand.N(most/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome returns the error of a call that did not succeed: why, and whether its
// write may have been applied.
func (c *Caller) outcome(ctx context.Context, end time.Time, err, telling error, unsure bool) error {
	if Answered(err) {
		return err
	}
	if c.closed.Load() && !unsure {
		return store.ErrClosed
	}
	over := timeOver(err)
	err = Explain(ctx, c.Told(err, unsure))
	if over && telling != nil { // why it was not done before
		err = fmt.Errorf("%w: %w", err, c.Told(telling, unsure))
	}
	if ctx.Err() == nil && !time.Now().Before(end) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	if unsure {
		err = fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return err
}

func timeOver(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Explain adds the end of the caller's context to err, if that is why.
func Explain(ctx context.Context, err error) error {
	// A deadline can strike in the driver a little before it does in ctx.
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		select {
		case <-ctx.Done():
		case <-time.After(80 * time.Millisecond): // somebody's own context may never say so
		}
	}
	over := ctx.Err()
	if over == nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && cause != over {
		over = fmt.Errorf("%w: %w", over, cause)
	}
	if timeOver(err) {
		return fmt.Errorf("ended by its context: %w", over)
	}
	return fmt.Errorf("ended by its context: %w: %w", over, err)
}

// Answered reports whether err is a store's own error, which needs no telling.
func Answered(err error) bool {
	for _, e := range []error{
		store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrCorrupt, store.ErrInvalid, store.ErrUnknown, store.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
