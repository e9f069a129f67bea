package postgrestest

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool connects to the server that url names; through dial, unless that is nil, as to
// a proxy before it. The test closes it.
func Pool(tb testing.TB, url string, dial pgconn.DialFunc) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	config.MaxConns = 12
	if c := config.ConnConfig; dial != nil {
		// sslmode=prefer tries without TLS too, and a proxy can look into that.
		if slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil }) {
			c.TLSConfig = nil
		}
		c.DialFunc, c.Fallbacks = dial, nil
	}
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}
