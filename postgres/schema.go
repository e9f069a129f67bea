package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Schema is the table that [Store.Migrate] makes, under its default name. It wants
// PostgreSQL 14 or newer, and a database whose encoding is UTF8.
//
// To the next administrator: there is no index on deadline, and none must be made.
// Each touch moves the deadline, and an update that changes a column of any index has
// to write into all of them. Only due is indexed, which most touches leave alone; what
// they change then stays within the page (HOT).
//
// Measured on PostgreSQL 17 over a simulated day of 4,000 sessions of 512 bytes, by
// go run ./internal/bench -only postgres-hot: 94 % HOT of 489,000 touches where a
// session lives for 30 minutes and is touched at most every 3; 95 % of 10,800 where it
// lives for 24 hours. 89 % if due were always the next full hour; 74 % of the latter if
// Create left half a life of room; 0 % with an index on deadline, and a table that
// grew eightfold. The fillfactor matters little: 80 and 100 were within 2 %.
//
// A session of 512 bytes that nobody can compress, with an owner of its own, takes 753
// bytes of the table and 182 of its indexes; one of 8 KiB takes 9.6 KB and 181.
const Schema = `CREATE TABLE "sessions" (
	revision int8 NOT NULL,                 -- 64 random bits, never 0
	deadline timestamptz NOT NULL,          -- when it ends, by this server's clock
	due timestamptz NOT NULL,               -- when the sweeper looks for it, a round hour after that
	id text COLLATE "C" NOT NULL,           -- no cookie's value: the manager stores a digest of it
	owner text COLLATE "C",                 -- NULL while it is nobody's
	data bytea NOT NULL,
	CONSTRAINT "sessions_pkey" PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX "sessions_due" ON "sessions" (due);
CREATE INDEX "sessions_owner" ON "sessions" (owner, id) WHERE owner IS NOT NULL;
COMMENT ON TABLE "sessions" IS 'sojourn schema 1'`

// names are what the table is called.
type names struct{ schema, table string }

// identifier is what needs no thought in SQL. What is made from the table's name
// by an ending ("_owner", "_pkey") must not be longer than the 63 bytes at which
// the server cuts it off.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const longest = 63 - len("_owner")

func checkNames(schema, table string) (names, error) {
	if table == "" {
		table = "sessions"
	}
	if !identifier.MatchString(table) || len(table) > longest {
		return names{}, fmt.Errorf("%w: a table's name is a letter or _ and letters, digits and _, %d bytes at most; %q is not", store.ErrInvalid, longest, table)
	}
	if schema != "" && (!identifier.MatchString(schema) || len(schema) > 63) {
		return names{}, fmt.Errorf("%w: a schema's name is a letter or _ and letters, digits and _, 63 bytes at most; %q is not", store.ErrInvalid, schema)
	}
	return names{schema, table}, nil
}

// in returns the statement with the real names in it.
func (n names) in(sql string) string {
	sql = strings.ReplaceAll(sql, `"sessions_`, `"`+n.table+"_")
	return strings.ReplaceAll(sql, `"sessions"`, n.quoted())
}

func (n names) quoted() string {
	if n.schema == "" {
		return `"` + n.table + `"`
	}
	return `"` + n.schema + `"."` + n.table + `"`
}

// lock is the key of the advisory lock that is held while the table is made. Tables of
// one name in several schemas share it, since one table can be named with its schema
// and without.
func (n names) lock() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("sojourn migrate " + n.table))
	return int64(h.Sum64())
}

// DDL returns the statements of [Schema] with the names that the options give, for
// those who create tables by other means than [Store.Migrate].
func (o *Options) DDL() (string, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	n, err := checkNames(opts.Schema, opts.Table)
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	return ddl(n, opts.Unlogged, Schema), nil
}

func ddl(n names, unlogged bool, sql string) string {
	if unlogged {
		sql = strings.Replace(sql, "CREATE TABLE", "CREATE UNLOGGED TABLE", 1)
	}
	return n.in(sql)
}

// version reads the version out of the table's comment, "" if it has none; no row if
// there is no such table. That pg_class is in it matters: with its lock the server
// hears of what others have just made. By to_regclass alone a connection that has
// missed the table once would go on to miss it.
const version = `
SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_catalog.pg_class WHERE oid = to_regclass($1)`

// Migrate makes the table if it is missing, and brings one that an older version of
// this package made up to date, for which it needs the right to create tables in the
// schema. To one that is up to date it does nothing. Any number of processes may call
// it at once: they wait for each other. ctx is its only limit in time.
//
// A table of that name that this package did not make is an error, and so is one
// that a newer version of it made.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("migrate", err)
	}
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.fail("migrate", call.Explain(ctx, told(&poolError{err}, false)))
	}
	defer c.Release()
	if err := s.migrate(ctx, c.Conn()); err != nil {
		return s.fail("migrate", call.Explain(ctx, told(err, false)))
	}
	return nil
}

func (s *Store) migrate(ctx context.Context, c *pgx.Conn) error {
	// First without the lock, which costs every start of every process a wait
	// for all the others.
	if at, err := s.version(ctx, c); err != nil || at == len(s.row.steps) {
		return err
	}
	// Whatever the database's default is: what others made while this one waited for
	// the lock must be seen.
	opts := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	return pgx.BeginTxFunc(ctx, c, opts, func(tx pgx.Tx) error { return s.climb(ctx, tx) })
}

// version returns the version of the table that is there, 0 if there is none.
func (s *Store) version(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (int, error) {
	var comment string
	switch err := db.QueryRow(ctx, version, s.names.quoted()).Scan(&comment); {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	}
	n, found := strings.CutPrefix(comment, "sojourn schema ")
	v, err := strconv.Atoi(n)
	if !found || err != nil || v < 1 {
		return 0, fmt.Errorf("%w: there is a table %s that this package did not make: its comment does not read \"sojourn schema 1\"", store.ErrInvalid, s.names.quoted())
	}
	if newest := len(s.row.steps); v > newest {
		return 0, fmt.Errorf("%w: the table %s has schema %d, which a newer version of this package made; this one knows %d", store.ErrInvalid, s.names.quoted(), v, newest)
	}
	return v, nil
}

// climb takes the steps that the table lacks.
func (s *Store) climb(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, s.names.lock()); err != nil {
		return err
	}
	at, err := s.version(ctx, tx)
	if err != nil {
		return err
	}
	for _, step := range s.row.steps[at:] {
		for sql := range strings.SplitSeq(ddl(s.names, s.opts.Unlogged, step), ";\n") {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	return nil
}
