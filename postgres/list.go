package postgres

import (
	"context"
	"errors"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-go/sojourn/store"
)

// queries are the statements that find sessions by something else than their id. One
// that takes a batch takes "after, how many" and tells how many it found, and the last.
type queries struct {
	list, listData, owned, ownedData string // id before the page, its length, and the owner
	endOwner                         string // id before the batch, its length, owner; and how many were live
	count, ping                      string
	clear                            string // id before the batch, its length
	due                              string // how many; the places of rows that are due
	remove                           string // places; see swept
	walk                             string // first block, block after the last; see swept
}

func (q *queries) all() []*string {
	return []*string{
		&q.list, &q.listData, &q.owned, &q.ownedData, &q.endOwner, &q.count, &q.ping, &q.clear, &q.due, &q.remove, &q.walk,
	}
}

// A page goes by id, which never changes: whatever is written meanwhile, nothing is
// listed twice and nothing live is passed over. It takes so many rows and not so many
// live ones, so that a page costs the same where much has expired.
const (
	page     = 500 // sessions
	dataPage = 50  // with their data
	batch    = 500 // that are removed in one statement
	morsel   = 8   // where so many take longer than a call may
)

var finders = queries{
	list: `
SELECT id, revision, ` + left + `, coalesce(owner, ''), NULL::bytea FROM "sessions" WHERE id > $1 ORDER BY id LIMIT $2`,
	listData: `
SELECT id, revision, ` + left + `, coalesce(owner, ''), data FROM "sessions" WHERE id > $1 ORDER BY id LIMIT $2`,
	owned: `
SELECT id, revision, ` + left + `, coalesce(owner, ''), NULL::bytea FROM "sessions" WHERE id > $1 AND owner = $3 ORDER BY id LIMIT $2`,
	ownedData: `
SELECT id, revision, ` + left + `, coalesce(owner, ''), data FROM "sessions" WHERE id > $1 AND owner = $3 ORDER BY id LIMIT $2`,

	// The owner is asked for again: a session that has just moved to another one
	// is not this one's any more.
	endOwner: `
WITH batch AS MATERIALIZED (
	SELECT id FROM "sessions" WHERE owner = $3 AND id > $1 ORDER BY id LIMIT $2
), gone AS (
	DELETE FROM "sessions" WHERE id = ANY (ARRAY(SELECT id FROM batch)) AND owner = $3
	RETURNING deadline > clock_timestamp() AND deadline < 'infinity' AND revision <> 0 AS live
)
SELECT (SELECT count(*) FROM batch), coalesce((SELECT max(id) FROM batch), ''), (SELECT count(*) FROM gone WHERE live)`,

	count: `
SELECT count(*) FROM "sessions" WHERE deadline > clock_timestamp() AND deadline < 'infinity' AND revision <> 0`,
	ping: `
SELECT FROM "sessions" LIMIT 0`,

	// Not TRUNCATE: that waits for all who read, a backup too, while whoever comes
	// after it waits for it.
	clear: `
WITH batch AS MATERIALIZED (
	SELECT id FROM "sessions" WHERE id > $1 ORDER BY id LIMIT $2
), gone AS (
	DELETE FROM "sessions" WHERE id = ANY (ARRAY(SELECT id FROM batch))
)
SELECT (SELECT count(*) FROM batch), coalesce((SELECT max(id) FROM batch), '')`,

	due:    due,
	remove: remove,
	walk:   walk,
}

// List implements [store.Lister]. It reads pages of 500 sessions, or 50 with their
// data, or 8 where these take too long, holds no connection while it yields, and has Options.Timeout for each page.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		var found []store.Listed
		for last, more, most := "", true, page; more; {
			err := s.check(store.CheckQuery(ctx, q))
			if err == nil {
				var end string
				found, end, more, err = s.page(ctx, q, most, last, found[:0])
				if most == page && late(ctx, err) {
					most, more = morsel, true
					continue
				}
				last = end
			}
			if err != nil {
				yield(store.Listed{}, s.fail("list", err))
				return
			}
			for i := range found {
				if !yield(found[i], nil) {
					return
				}
				found[i] = store.Listed{} // the caller's to keep or let go
			}
		}
	}
}

// page appends the live sessions among the next rows after the id last to found. It
// returns the last row's id, and whether there may be more.
func (s *Store) page(ctx context.Context, q store.Query, most int, last string, found []store.Listed) ([]store.Listed, string, bool, error) {
	sql, n := s.row.list, page
	switch {
	case q.Data && q.Owner != "":
		sql, n = s.row.ownedData, dataPage
	case q.Data:
		sql, n = s.row.listData, dataPage
	case q.Owner != "":
		sql = s.row.owned
	}
	n = min(n, most)
	args := []any{last, n}
	if q.Owner != "" {
		args = append(args, q.Owner)
	}
	end, seen := "", 0
	err := s.run(ctx, reads, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		found, end, seen = found[:0], "", 0
		rows, err := c.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			l, err := s.row.scanListed(rows)
			switch {
			case err == nil:
				found = append(found, l)
			case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt):
				return err
			}
			end = l.ID
			seen++
		}
		return rows.Err()
	})
	return found, end, seen == n, err
}

// DeleteOwner implements [store.OwnerDeleter], in batches of 500, with
// Options.Timeout for each. A batch whose reply was lost is removed, and may not be
// counted.
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	ended := 0
	err := s.batches(func() error { return store.CheckDeleteOwner(ctx, owner) }, func(size int, last string) (n int, end string, err error) {
		live := 0
		err = s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, _ bool) error {
			return c.QueryRow(ctx, s.row.endOwner, last, size, owner).Scan(&n, &end, &live)
		})
		if err == nil {
			ended += live
		}
		return n, end, err
	})
	return ended, s.fail("delete owner", err)
}

// Clear implements [store.Clearer], in batches of 500, with Options.Timeout for
// each.
func (s *Store) Clear(ctx context.Context) error {
	return s.fail("clear", s.batches(func() error { return store.CheckContext(ctx) }, func(size int, last string) (n int, end string, err error) {
		err = s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, _ bool) error {
			return c.QueryRow(ctx, s.row.clear, last, size).Scan(&n, &end)
		})
		return n, end, err
	}))
}

// batches calls f for one batch after the other, until one is not full: with its size
// and the last id of the one before. f returns how many there were and the last. What
// it scanned counts only without an error: a batch whose commit failed was not made.
//
// A batch that takes longer than a call may, as one of large sessions can, is made
// once more, and so are those after it, with a few sessions each.
func (s *Store) batches(check func() error, f func(size int, last string) (n int, end string, err error)) error {
	for size, last := batch, ""; ; {
		if err := s.check(check()); err != nil {
			return err
		}
		n, end, err := f(size, last)
		switch {
		case err != nil && size == batch && check() == nil && errors.Is(err, context.DeadlineExceeded):
			size = morsel
			continue
		case err != nil:
			return err
		case n < size:
			return nil
		}
		last = end
	}
}

// Count implements [store.Counter]. It looks at every row, and has 30 times
// Options.Timeout for it; a cancellation ends it at once.
func (s *Store) Count(ctx context.Context) (int, error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return 0, s.fail("count", err)
	}
	n := 0
	err := s.run(ctx, scans, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		return c.QueryRow(ctx, s.row.count).Scan(&n)
	})
	return n, s.fail("count", err)
}
