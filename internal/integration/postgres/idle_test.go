package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/store"
)

// What befalls a connection while it lies in the pool costs a repeat, and is no error.
func TestWhatBefallsAnIdleConnection(t *testing.T) {
	x := newTable(t, shared.URL(t))
	config := x.pool.Config()
	config.MaxConns = 1
	config.ShouldPing = nil
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := x.open(t, pool)
	v := create(t, s, "a", "")
	for what, befall := range map[string]func(){
		"its statements are forgotten": func() {
			if _, err := pool.Exec(t.Context(), `DEALLOCATE ALL`); err != nil {
				t.Fatal(err)
			}
		},
		"it is terminated": func() {
			var pid int
			if err := pool.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
				t.Fatal(err)
			}
			x.exec(t, `SELECT pg_terminate_backend($1, 5000)`, pid)
		},
	} {
		if v, err = s.Update(t.Context(), "a", store.Record{}, time.Hour, v); err != nil {
			t.Fatal(err)
		}
		befall()
		if v, err = s.Update(t.Context(), "a", store.Record{}, time.Hour, v); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// The server ends a connection that was idle for long when it may: what is sent on it then
// was not executed.
func TestIdleTimeout(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool, _ := poolWith(t, x.url, "idle_session_timeout", "50")
	s := x.open(t, pool)
	v := create(t, s, "a", "")
	for n := 1; n > 0; {
		if err := x.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE $1`, "%"+x.opts.Table+"%").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v+1)
	want(t, "update", err, store.ErrConflict)
}
