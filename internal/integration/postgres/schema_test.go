package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

func TestMissingTableNamesMigrate(t *testing.T) {
	x := unmade(t, shared.URL(t))
	s := x.open(t, x.pool)
	_, err := s.Load(t.Context(), "a")
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Code != "42P01" || !strings.Contains(err.Error(), "Migrate") {
		t.Errorf("got %v, want an error that names Migrate, and the SQLSTATE", err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping does not miss the table")
	}
	// The connection that has missed it finds it afterwards.
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	create(t, s, "a", "")
}

// REL-20: a table that the first version made is opened, keeps what is in it, and is
// what Migrate makes today. testdata/schema1.sql is not to be changed: it is what is
// out there.
func TestOldSchema(t *testing.T) {
	golden, err := os.ReadFile("testdata/schema1.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, now := unmade(t, shared.URL(t)), newTable(t, shared.URL(t))
	old.exec(t, strings.ReplaceAll(string(golden), "TABLENAME", old.opts.Table))
	s := old.open(t, old.pool)
	if e, err := s.Load(t.Context(), "Kept_by-the.first"); err != nil || string(e.Data) != "caf\xc3\xa9\x00" || e.Owner != "Zoë" || e.Revision != 0xfedcba9876543210 {
		t.Errorf("before: %+v, %v", e, err)
	}
	for range 2 {
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e, err := s.Load(t.Context(), "Kept_by-the.first")
	if err != nil || string(e.Data) != "caf\xc3\xa9\x00" || e.Owner != "Zoë" {
		t.Errorf("afterwards: %+v, %v", e, err)
	}
	if _, err := s.Update(t.Context(), "Kept_by-the.first", e.Record, time.Hour, e.Revision); err != nil {
		t.Error(err)
	}
	if a, b := shape(t, old), shape(t, now); a != b {
		t.Errorf("an old table that was brought up to date is\n%s\nand a new one\n%s", a, b)
	}
}

// shape is what a table and its indexes look like, without its name.
func shape(t *testing.T, x *table) string {
	t.Helper()
	var columns, indexes string
	if err := x.pool.QueryRow(t.Context(), `
SELECT (SELECT string_agg(format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation), E'\n' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped),
	(SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = $1::regclass)
	|| E'\n' || (SELECT reloptions::text FROM pg_class WHERE oid = $1::regclass)`, x.name()).Scan(&columns, &indexes); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(columns+"\n"+indexes, x.opts.Table, "t")
}

func TestMigrateKnowsItsOwn(t *testing.T) {
	x := unmade(t, shared.URL(t))
	s := x.open(t, x.pool)
	x.exec(t, `CREATE TABLE `+x.name()+` (sid varchar PRIMARY KEY, sess json, expire timestamp(6))`)
	want(t, "a table of somebody else's", s.Migrate(t.Context()), store.ErrInvalid)
	x.exec(t, `DROP TABLE `+x.name())
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.exec(t, `COMMENT ON TABLE `+x.name()+` IS 'sojourn schema 2000'`)
	want(t, "a table of a newer version's", s.Migrate(t.Context()), store.ErrInvalid)
}

func TestUnlogged(t *testing.T) {
	x := unmade(t, shared.URL(t))
	x.opts.Migrate, x.opts.Unlogged = true, true
	x.open(t, x.pool)
	var kind string
	if err := x.pool.QueryRow(t.Context(), `SELECT relpersistence::text FROM pg_class WHERE oid = $1::regclass`, x.name()).Scan(&kind); err != nil || kind != "u" {
		t.Errorf("relpersistence is %q, %v", kind, err)
	}
}

// SEC-24: names that mean something in SQL are names; others are refused before
// anything is asked. Owners are values, whatever they look like.
func TestHostileNames(t *testing.T) {
	url := shared.URL(t)
	witness := newTable(t, url)
	kept := witness.open(t, witness.pool)
	create(t, kept, "a", "kept")
	for _, name := range []string{"Select", "user", "TABLE", "_", "pg_class", strings.Repeat("a", 57), strings.Repeat("a", 56) + "B"} {
		x := unmade(t, url)
		x.opts.Table, x.opts.Schema, x.opts.Migrate = name, "Order", true
		x.exec(t, `CREATE SCHEMA IF NOT EXISTS "Order"`)
		t.Cleanup(func() { _, _ = x.pool.Exec(context.Background(), `DROP SCHEMA IF EXISTS "Order" CASCADE`) })
		exercise(t, x.open(t, x.pool))
	}
	for _, name := range hostile(witness.opts.Table) {
		x := unmade(t, url)
		for _, o := range []postgres.Options{{Table: name, Migrate: true}, {Schema: name, Migrate: true}} {
			_, err := postgres.New(x.pool, &o)
			want(t, fmt.Sprintf("%q", name), err, store.ErrInvalid)
		}
	}
	for _, owner := range hostile(witness.opts.Table) {
		if store.CheckDeleteOwner(t.Context(), owner) != nil {
			continue // not an owner
		}
		if _, err := kept.Create(t.Context(), "b", store.Record{Owner: owner}, time.Hour); err != nil {
			t.Fatal(err)
		}
		n := 0
		for l, err := range kept.List(t.Context(), store.Query{Owner: owner}) {
			if n++; err != nil || l.ID != "b" || l.Owner != owner {
				t.Errorf("owner %q: %+v, %v", owner, l, err)
			}
		}
		if ended, err := kept.DeleteOwner(t.Context(), owner); n != 1 || ended != 1 || err != nil {
			t.Errorf("owner %q: %d listed, %d ended, %v", owner, n, ended, err)
		}
	}
	if e, err := kept.Load(t.Context(), "a"); err != nil || string(e.Data) != "kept" {
		t.Errorf("the witness: %q, %v", e.Data, err)
	}
}

func hostile(table string) []string {
	return []string{
		`s"; DROP TABLE "` + table + `"; --`, `'; DELETE FROM "` + table + `"; --`, `' OR '1'='1`, `\'; DROP TABLE x; --`, `a b`, `a.b`, `a"b`, `a'b`,
		"a\x00b", `1a`, `é`, `a;`, "a\n", `$1`, `%s`, `{}`, `*`, `%`, "a\u202eb", `U&"\0061"`, `E'\x27'`, strings.Repeat("x", 64),
	}
}
