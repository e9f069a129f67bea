package postgres

import (
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-go/sojourn/store"
)

// layout is how a session is laid out in a table: the statements, what they are sent
// with, what becomes of their rows, and how the table is made. Nothing but a layout
// knows a column. Another layout is another value of this type.
//
// The statements name the table "sessions"; [names.in] puts the real one there.
type layout struct {
	load     string // id; a row as scan wants it
	create   string // what createArgs returns; changes no row where something live is
	update   string // what updateArgs returns; changes no row unless base is the revision
	revision string // id; the revision of what is live, 0 if it cannot be read
	touch    string // what touchArgs returns; without waiting for the disk
	keep     string // touch that waits for the disk
	delete   string // id
	queries         // that find sessions by something else than their id

	revise     func(store.Record) store.Revision // the revision that a write of the record makes
	createArgs func(id string, rec store.Record, ttl time.Duration, v store.Revision) []any
	updateArgs func(id string, rec store.Record, ttl time.Duration, v, base store.Revision) []any
	touchArgs  func(id string, ttl time.Duration) []any
	scan       func(pgx.Row) (store.Entry, error)
	scanListed func(pgx.Rows) (store.Listed, error) // with its id, also if it is not to be listed

	steps []string // from nothing to the first version of the table, and on to the next ones
}

// own is the layout of our table, see [Schema].
//
// Every lifetime is judged by clock_timestamp(), the server's clock as it is: now()
// stands still for as long as a statement waits for a lock. It moves on between two
// columns of one row, deadline being the first.
//
// due is when the sweeper looks for the row: not before the deadline, and as late as
// keeps most touches from having to move it (see [slack]).
var own = layout{
	load: `
SELECT revision, ` + left + `, coalesce(owner, ''), data
FROM "sessions"
WHERE id = $1 AND deadline > clock_timestamp()`,

	// What has expired and was not swept yet is replaced. Both the lock and the
	// condition are of the row as it is when the lock was had.
	create: `
INSERT INTO "sessions" AS s (id, owner, data, revision, deadline, due)
VALUES ($1::text, nullif($2::text, ''), $3::bytea, $4::int8, clock_timestamp() + $5::interval,
	date_bin('1 hour', clock_timestamp() + $5::interval + $6::interval, timestamptz '2000-01-01 00:00:00+00') + interval '1 hour')
ON CONFLICT (id) DO UPDATE
SET owner = excluded.owner, data = excluded.data, revision = excluded.revision, deadline = excluded.deadline, due = excluded.due
WHERE s.deadline <= clock_timestamp()`,

	update: `
UPDATE "sessions"
SET owner = nullif($2::text, ''), data = $3::bytea, revision = $4::int8, deadline = clock_timestamp() + $5::interval,
	due = CASE WHEN due BETWEEN clock_timestamp() + $5::interval AND clock_timestamp() + $5::interval + $6::interval THEN due
		ELSE date_bin($6::interval, clock_timestamp() + $5::interval, timestamptz '2000-01-01 00:00:00+00') + $6::interval END
WHERE id = $1::text AND revision = $7::int8 AND deadline > clock_timestamp() AND deadline < 'infinity'`,

	// Why a write changed nothing is a question of its own, asked afterwards. Asked
	// in the same statement it would be answered from a snapshot that is older than
	// the lock, in which a session that was just deleted is still there.
	revision: `
SELECT CASE WHEN deadline < 'infinity' THEN revision ELSE 0 END FROM "sessions" WHERE id = $1 AND deadline > clock_timestamp()`,

	// set_config holds to the end of the statement, which is a transaction of its
	// own, behind PgBouncer too. (A function declared with SET synchronous_commit
	// does nothing: the commit comes after its end.)
	touch: touch + `
AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'`,
	keep: touch,

	delete: `
DELETE FROM "sessions" WHERE id = $1`,

	queries: finders,

	revise:     func(store.Record) store.Revision { return store.NewRevision() },
	createArgs: createArgs,
	updateArgs: updateArgs,
	touchArgs:  touchArgs,
	scan:       scan,
	scanListed: scanListed,

	steps: []string{Schema},
}

// left is what is left of a life, in microseconds: in a form that no setting of the
// connection changes. Without an end it is endless, which is no life; servers before
// PostgreSQL 17 would fail the statement, with the whole page that it lists.
const left = `CASE WHEN isfinite(deadline) THEN (date_part('epoch', deadline - clock_timestamp()) * 1000000)::int8 ELSE '-9223372036854775808' END`

// endless is what left is then.
const endless = math.MinInt64

const touch = `
UPDATE "sessions" SET deadline = clock_timestamp() + $2::interval,
	due = CASE WHEN due BETWEEN clock_timestamp() + $2::interval AND clock_timestamp() + $2::interval + $3::interval THEN due
		ELSE date_bin($3::interval, clock_timestamp() + $2::interval, timestamptz '2000-01-01 00:00:00+00') + $3::interval END
WHERE id = $1 AND deadline > clock_timestamp() AND deadline < 'infinity' AND revision <> 0`

// in returns the layout for the table that n names.
func (l layout) in(n names) layout {
	for _, sql := range append(l.all(), &l.load, &l.create, &l.update, &l.revision, &l.touch, &l.keep, &l.delete) {
		*sql = n.in(*sql)
	}
	return l
}

// precision is that of the server's times.
const precision = time.Microsecond

// bits are those of a revision as the server's signed integer.
func bits(v store.Revision) int64 { return int64(v) }

func createArgs(id string, rec store.Record, ttl time.Duration, v store.Revision) []any {
	return append(args(id, rec, ttl, v), grace(ttl))
}

func updateArgs(id string, rec store.Record, ttl time.Duration, v, base store.Revision) []any {
	return append(args(id, rec, ttl, v), slack(ttl), bits(base))
}

func touchArgs(id string, ttl time.Duration) []any {
	return []any{id, store.RoundUp(ttl, precision), slack(ttl)}
}

// args are those that Create and Update share. The server would cut a lifetime under
// its precision to nothing.
func args(id string, rec store.Record, ttl time.Duration, v store.Revision) []any {
	data := rec.Data
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	return []any{id, rec.Owner, data, bits(v), store.RoundUp(ttl, precision)}
}

// grace is how long after the deadline due is at first, but for the rest of an hour: as
// long again as the session lives. Whoever is there for a day then hardly moves it, and
// the many sessions that are made and never used again are swept soon.
func grace(ttl time.Duration) time.Duration { return max(time.Hour, min(ttl, most-time.Hour)) }

// slack is how long after the deadline due may be, before a touch moves it: to a bound
// of such intervals, so that it is moved once in twenty touches of whoever touches once
// in a tenth of a life, as the manager does. See [Schema] for what came of it.
func slack(ttl time.Duration) time.Duration { return hours(4*time.Hour, min(ttl, most)*2) }

// most is the longest that due is after a deadline.
const most = 8192 * time.Hour

// hours returns the first of least, twice that, four times that … which is not less
// than d, or most.
func hours(least, d time.Duration) time.Duration {
	for least < d && least < most {
		least *= 2
	}
	return least
}

// scan reads the row that load returned.
func scan(row pgx.Row) (store.Entry, error) {
	var e store.Entry
	var v, left int64
	switch err := row.Scan(&v, &left, &e.Owner, &e.Data); {
	case errors.Is(err, pgx.ErrNoRows):
		return store.Entry{}, store.ErrNotFound
	case err != nil:
		return store.Entry{}, err
	}
	return checked(e, v, left)
}

// scanListed reads a row of a page.
func scanListed(rows pgx.Rows) (l store.Listed, err error) {
	var v, left int64
	if err := rows.Scan(&l.ID, &v, &left, &l.Owner, &l.Data); err != nil {
		return l, err
	}
	l.Entry, err = checked(l.Entry, v, left)
	return l, err
}

// checked returns e with its revision and what is left of its life, in microseconds.
// The server keeps whatever bytes it is given, so that the only record that cannot
// be read is one that this package did not write: one without a revision, which
// could never be updated, or without an end.
func checked(e store.Entry, v, left int64) (store.Entry, error) {
	switch {
	case v == 0 || left == endless:
		return store.Entry{}, store.ErrCorrupt
	case left <= 0: // it expired between the condition and the column
		return store.Entry{}, store.ErrNotFound
	}
	e.Revision = store.Revision(v)
	// A deadline may be further away than a Duration can tell.
	e.TTL = time.Duration(min(left, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
	return e, nil
}
