package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sojourn-go/sojourn/internal/call"
)

var (
	reads  = call.Reads
	writes = call.Writes
	looks  = call.Kind{Patience: 1, Ends: true} // for what is to be swept
	sweeps = call.Kind{Patience: 1, Ends: true, Writes: true}
	scans  = call.Kind{Patience: 30, Ends: true} // looks at every row
)

func (s *Store) check(err error) error             { return s.calls.Check(err) }
func (s *Store) fail(verb string, err error) error { return s.calls.Fail(verb, err) }

// run calls f with a connection until it was answered; see [call.Caller.Run]. pgx
// repeats nothing by itself.
func (s *Store) run(ctx context.Context, k call.Kind, f func(ctx context.Context, c *pgx.Conn, unsure bool) error) error {
	return s.calls.Run(ctx, k, func(statement context.Context, unsure bool) (call.Verdict, error) {
		return s.attempt(ctx, statement, unsure, f)
	})
}

// attempt calls f once, and says what its error means.
func (s *Store) attempt(ctx, statement context.Context, unsure bool, f func(ctx context.Context, c *pgx.Conn, unsure bool) error) (call.Verdict, error) {
	c, err := s.pool.Acquire(statement)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no connection of the pool in time: %w", err)
		}
		if unsure {
			return call.Again, &poolError{err} // what the earlier attempt did is worth waiting for
		}
		return call.Final, &poolError{err}
	}
	defer c.Release()
	if err := ctx.Err(); err != nil {
		return call.Final, err // nobody waits for it any more
	}
	err = f(statement, c.Conn(), unsure)
	if err == nil || call.Answered(err) {
		return call.Final, err
	}
	v := judge(err, c.Conn().IsClosed())
	if code(err) == "25006" {
		_ = c.Conn().Close(statement) // so that the next one may find the new primary
	}
	return v, err
}

// poolError is an error from before there was a connection: of the pool, of a dial, or
// of the caller's own hooks. Nothing of ours was sent.
type poolError struct{ error }

func (e *poolError) Unwrap() error { return e.error }

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
