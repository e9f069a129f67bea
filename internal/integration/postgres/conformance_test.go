package postgres_test

import (
	"context"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// conform runs the whole suite against a server, which it kills, without a waiver. The
// other handle is one of another process. A killed server may undo touches, unless
// they too wait for the disk.
func conform(t *testing.T, s *server.Server) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		opts := postgrestest.Options()
		opts.DurableTouch = true
		sub := postgrestest.Subject(tb, s.URL(), opts)
		handle := sub.Peer
		sub.Peer = func(ctx context.Context) (store.Store, error) { return peer.Start(ctx, storeURL(s.URL(), opts)) }
		sub.Crash = func(ctx context.Context) (store.Store, error) {
			if err := s.Kill(ctx); err != nil {
				return nil, err
			}
			if err := s.Restart(ctx); err != nil {
				return nil, err
			}
			return handle(ctx) // with a pool of before, which must find its way back
		}
		return sub
	}, conformance.Strict(), limit, reports.Save(t))
}

// limit is for a machine that has much else to do while it starts a killed server.
var limit = conformance.Limit(5 * time.Minute)

func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, server.New(t, server.Postgres()))
}

// The same against further versions, each with a server of its own.
func TestConformanceOfVersions(t *testing.T) {
	t.Parallel()
	for _, image := range server.Images(t, server.PostgresMoreImages, "postgres:15,postgres:17") {
		t.Run(strings.NewReplacer("/", "_", ":", "_").Replace(path.Base(image)), func(t *testing.T) {
			t.Parallel()
			conform(t, server.New(t, server.PostgresImage(image)))
		})
	}
}

// On the server of the variable, whatever it is, with the store's defaults: a touch does not
// wait for the disk. CI has the same in the tests of the module itself.
func TestConformanceOfVariable(t *testing.T) {
	url := os.Getenv(server.Postgres().URLVar)
	if url == "" {
		t.Skipf("%s names no server to test with beside those in containers", server.Postgres().URLVar)
	}
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return postgrestest.Subject(tb, url, nil) },
		conformance.Strict(), limit, conformance.Claim(conformance.Core, conformance.Listing, conformance.Distributed))
}

// bouncer starts a PgBouncer in transaction mode before the shared server.
func bouncer(t *testing.T) *server.Server {
	t.Helper()
	spec, err := server.PgBouncer(t.Context(), shared.Container(t))
	if err != nil {
		t.Fatal(err)
	}
	return server.New(t, spec)
}

func TestConformanceBehindPgBouncer(t *testing.T) {
	server.Further(t)
	t.Parallel()
	b := bouncer(t)
	version := bouncerVersion(t, b.URL())
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		sub := postgrestest.Subject(tb, b.URL(), nil)
		sub.Server += " behind " + version
		return sub
	}, conformance.Strict(), limit, conformance.Claim(conformance.Core, conformance.Listing, conformance.Faults, conformance.Distributed), reports.Save(t))
}

// bouncerVersion is like "PgBouncer 1.24.1".
func bouncerVersion(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Database, config.DefaultQueryExecMode = "pgbouncer", pgx.QueryExecModeSimpleProtocol
	c, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	version := ""
	if err := c.QueryRow(t.Context(), `SHOW VERSION`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// What the package doc says of PgBouncer: with pgx's default mode the error names the
// setting, and every mode that it names works.
func TestPgBouncerModes(t *testing.T) {
	b := bouncer(t)
	for mode, right := range map[string]bool{"cache_describe": true, "exec": true, "cache_statement": false} {
		t.Run(mode, func(t *testing.T) {
			url := strings.Replace(b.URL(), "cache_describe", mode, 1)
			x := newTable(t, shared.Container(t).URL())
			s := x.open(t, postgrestest.Pool(t, url, nil))
			var failed error
			done := make(chan error, 8)
			for i := range cap(done) {
				go func() {
					var err error
					for range 50 {
						if err = visit(t.Context(), s, string(rune('a'+i))); err != nil {
							break
						}
					}
					done <- err
				}()
			}
			for range cap(done) {
				if err := <-done; err != nil {
					failed = err
				}
			}
			switch {
			case right && failed != nil:
				t.Error(failed)
			case !right && (failed == nil || !strings.Contains(failed.Error(), "default_query_exec_mode=cache_describe")):
				t.Errorf("got %v, want an error that names the setting", failed)
			}
		})
	}
}
