package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sojourn-go/sojourn/store"
)

// kind is what a call does.
type kind struct {
	writes   bool          // a lost reply leaves the outcome open
	ends     bool          // a cancellation ends its statement
	patience time.Duration // how many times Options.Timeout it has
}

var (
	reads  = kind{patience: 1}
	writes = kind{patience: 1, writes: true}
	looks  = kind{patience: 1, ends: true} // for what is to be swept
	sweeps = kind{patience: 1, ends: true, writes: true}
	scans  = kind{patience: 30, ends: true} // looks at every row
)

// run calls f with a connection until it was answered, for at most the store's call
// time and never beyond ctx.
//
// A statement whose reply was lost is repeated, with unsure set: an earlier attempt
// may have been applied (FAIL-3). pgx repeats nothing by itself.
//
// The end of ctx by its deadline ends a statement at once, and costs the connection,
// whose answer nobody would read. A cancellation lets it come to its end, within
// the call time: most end in a millisecond, and a client that goes away must not
// cost the pool a connection, nor leave the outcome of a write open. Where there is
// no call time, and for some kinds, it ends the statement too.
func (s *Store) run(ctx context.Context, k kind, f func(ctx context.Context, c *pgx.Conn, unsure bool) error) error {
	end := time.Now().Add(s.opts.timeout() * k.patience)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	statement := ctx
	if !k.ends && s.opts.Timeout >= 0 {
		statement = context.WithoutCancel(ctx)
	}
	statement, cancel := context.WithDeadline(statement, end)
	defer cancel()
	unsure := false
	for n := 0; ; n++ {
		v, err := s.attempt(ctx, statement, unsure, f)
		if err == nil {
			return nil
		}
		if v == lost {
			unsure = unsure || k.writes
		}
		if v == final || v == anew && n >= 3 || ctx.Err() != nil || !pause(statement, n) {
			return s.outcome(ctx, end, err, unsure)
		}
	}
}

// attempt calls f once, and says what its error means.
func (s *Store) attempt(ctx, statement context.Context, unsure bool, f func(ctx context.Context, c *pgx.Conn, unsure bool) error) (verdict, error) {
	c, err := s.pool.Acquire(statement)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no connection of the pool in time: %w", err)
		}
		if unsure {
			return again, &poolError{err} // what the earlier attempt did is worth waiting for
		}
		return final, &poolError{err}
	}
	defer c.Release()
	if err := ctx.Err(); err != nil {
		return final, err // nobody waits for it any more
	}
	err = f(statement, c.Conn(), unsure)
	if err == nil || answered(err) {
		return final, err
	}
	v := judge(err, c.Conn().IsClosed())
	if v == lost {
		if _, ok := errors.AsType[*questionError](err); ok {
			v = again // what was lost is the answer to a question
		}
	}
	if code(err) == "25006" {
		_ = c.Conn().Close(statement) // so that the next one may find the new primary
	}
	return v, err
}

// poolError is an error from before there was a connection: of the pool, of a dial, or
// of the caller's own hooks. Nothing of ours was sent.
type poolError struct{ error }

func (e *poolError) Unwrap() error { return e.error }

// questionError is an error of a question that a write asked after it was answered:
// whatever became of the question, the write was not applied.
type questionError struct{ error }

func (e *questionError) Unwrap() error { return e.error }

// pause waits before the n-th repeat, and reports whether there is time for it. The
// first comes at once: most replies are lost with one connection.
func pause(ctx context.Context, n int) bool {
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
func (s *Store) outcome(ctx context.Context, end time.Time, err error, unsure bool) error {
	if answered(err) {
		return err
	}
	if s.closed.Load() && !unsure {
		return store.ErrClosed
	}
	err = s.explain(ctx, err)
	if ctx.Err() == nil && !time.Now().Before(end) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	if unsure {
		// What the last attempt was refused for says nothing of the first one.
		if e, ok := errors.AsType[*serverError](err); ok {
			e.kind = nil
		}
		err = fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return err
}

// explain adds the end of the caller's context, if that is why.
func (s *Store) explain(ctx context.Context, err error) error {
	err = told(err)
	// A deadline can strike in the driver a little before it does in ctx.
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // somebody's own context may never say so
		}
	}
	over := ctx.Err()
	if over == nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && cause != over {
		over = fmt.Errorf("%w: %w", over, cause)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ended by its context: %w", over)
	}
	return fmt.Errorf("ended by its context: %w: %w", over, err)
}

// check returns ErrClosed for a closed store, or else err.
func (s *Store) check(err error) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return err
}

// fail says what was being done. A missing session is common enough to be told
// without an allocation.
func (s *Store) fail(verb string, err error) error {
	if err == nil || err == store.ErrNotFound {
		return err
	}
	return fmt.Errorf("postgres: %s: %w", verb, err)
}

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
