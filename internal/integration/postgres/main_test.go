package postgres_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
)

// shared is the server of all tests here that do not say otherwise.
var shared = &server.Shared{Spec: server.Postgres()}

func TestMain(m *testing.M) {
	peer.Main(openPeer, map[string]peer.Func{"count": countInProcess, "migrate": migrateInProcess})
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // those that are parallel have servers of their own, and wait for them
	defer shared.End()
	return m.Run()
}

var (
	full   = verbs.Full
	create = verbs.Create
	want   = verbs.Want
)

// table is a table of a test's own.
type table struct {
	url  string
	opts postgres.Options
	pool *pgxpool.Pool
}

// newTable has a table made, and dropped after the test.
func newTable(tb testing.TB, url string) *table {
	tb.Helper()
	x := unmade(tb, url)
	if err := x.open(tb, x.pool).Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return x
}

// unmade is a table that is not there yet.
func unmade(tb testing.TB, url string) *table {
	tb.Helper()
	x := &table{url: url, opts: *postgrestest.Options(), pool: postgrestest.Pool(tb, url, nil)}
	tb.Cleanup(func() { _, _ = x.pool.Exec(context.Background(), `DROP TABLE IF EXISTS `+x.name()) })
	return x
}

func (x *table) name() string { return `"` + x.opts.Table + `"` }

// open opens a store on the table, with the options as they are now.
func (x *table) open(tb testing.TB, pool *pgxpool.Pool) *postgres.Store {
	tb.Helper()
	s, err := postgres.New(pool, &x.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func (x *table) exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	if _, err := x.pool.Exec(tb.Context(), sql, args...); err != nil {
		tb.Fatal(err)
	}
}
