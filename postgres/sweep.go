package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

const (
	// places is how many rows that are due are looked for at a time. The index keeps
	// those that are gone until it is cleaned, which nobody can do while some
	// transaction is open for long, and each look passes them all.
	places = 10_000

	asks = 8 // how often the lock is asked for again, in half a second

	blocks = 256 // of the table, 2 MiB, that one statement of a walk looks at
	crumb  = 4   // where so many take longer than a call may
)

// One sweeper works at a time: the lock is of the table, whatever it is called by, and
// lasts as long as the statement, since one of the session is not given back behind
// PgBouncer. Its first number keeps it apart from other programs' locks, and means nothing.
const held = `pg_try_advisory_xact_lock(1936683619, '"sessions"'::regclass::oid::int4)`

const (
	// In the order of the index, or it reads the table to find its rows. now() is
	// before clock_timestamp(), which an index cannot be asked for. Rows whose due
	// is before their deadline, by somebody's hand, must not fill it for ever.
	due = `
SELECT ctid::text FROM "sessions"
WHERE (SELECT ` + held + `) AND due <= now() AND deadline <= clock_timestamp()
ORDER BY due LIMIT $1`

	// A place may have another row by now, or a longer life.
	remove = `
WITH lock AS MATERIALIZED (
	SELECT ` + held + ` AS held
), gone AS (
	DELETE FROM "sessions" WHERE (SELECT held FROM lock) AND ctid = ANY ($1::text[]::tid[]) AND deadline <= clock_timestamp()
	RETURNING 1
)
SELECT held, (SELECT count(*) FROM gone), 0 FROM lock`

	walk = `
WITH lock AS MATERIALIZED (
	SELECT ` + held + ` AS held
), gone AS (
	DELETE FROM "sessions"
	WHERE (SELECT held FROM lock) AND ctid >= $1::text::tid AND ctid < $2::text::tid AND deadline <= clock_timestamp()
	RETURNING 1
)
SELECT held, (SELECT count(*) FROM gone), pg_relation_size('"sessions"'::regclass) / current_setting('block_size')::int8 FROM lock`
)

// swept is what remove and walk return.
type swept struct {
	held   bool // no other sweeper was at it
	gone   int
	length int64 // of the table, in blocks
}

// Sweep implements [store.Sweeper]: it removes what is due, in batches of 500 in the
// order of the index, and then walks through the table, 2 MiB at a time, for what has
// expired and is not due yet. The background sweeper does the former only. Each
// statement has Options.Timeout, and a cancellation ends it.
//
// One sweeper works at a time, whatever process it is in: if another is at it, Sweep
// returns what it has removed so far.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, alone, err := s.sweepDue(ctx)
	step := int64(blocks)
	for first, length := int64(0), int64(1); err == nil && alone && first < length; {
		var w swept
		w, err = s.clean(ctx, s.row.walk, tid(first), tid(first+step))
		if step == blocks && late(ctx, err) {
			step, err = crumb, nil
			continue
		}
		n += w.gone
		first, length, alone = first+step, w.length, w.held
	}
	return n, s.fail("sweep", err)
}

// sweepDue removes what is due. alone tells whether no other sweeper was seen at it.
func (s *Store) sweepDue(ctx context.Context) (total int, alone bool, err error) {
	for {
		found, err := s.places(ctx)
		if err != nil {
			return total, false, err
		}
		more, removed := len(found) == places, 0
		for size := batch; len(found) > 0; {
			n := min(size, len(found))
			w, err := s.clean(ctx, s.row.remove, found[:n])
			if size == batch && late(ctx, err) {
				size = morsel
				continue
			}
			if err != nil || !w.held {
				return total, false, err
			}
			total += w.gone
			removed += w.gone
			found = found[n:]
		}
		if !more || removed == 0 { // something keeps the rows, and would do so for ever
			return total, true, nil
		}
	}
}

// late tells whether a statement took longer than a call may, though the caller has
// time: it removed too much at once.
func late(ctx context.Context, err error) bool {
	return ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}

// places finds rows that are due. It finds none while another sweeper is at it.
func (s *Store) places(ctx context.Context) (found []string, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return nil, err
	}
	err = s.run(ctx, looks, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		rows, err := c.Query(ctx, s.row.due, places)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return found, err
}

// clean runs one statement that removes expired sessions.
func (s *Store) clean(ctx context.Context, sql string, args ...any) (w swept, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return w, err
	}
	// A statement of ours that was late, or whose reply was lost, holds the lock until
	// the server has ended it: the lock is asked for a few times.
	for n := 0; ; n++ {
		err = s.run(ctx, sweeps, func(ctx context.Context, c *pgx.Conn, _ bool) error {
			return c.QueryRow(ctx, sql, args...).Scan(&w.held, &w.gone, &w.length)
		})
		if err != nil {
			return swept{}, err
		}
		if w.held || n == asks || !call.Pause(ctx, n) {
			return w, nil
		}
	}
}

// tid is the first place in a block, in text.
func tid(block int64) string { return fmt.Sprintf("(%d,0)", block) }

// sweepInBackground removes what is due, and leaves what is not to [Store.Sweep].
func (s *Store) sweepInBackground(ctx context.Context) error {
	_, _, err := s.sweepDue(ctx)
	return s.fail("sweep", err)
}
