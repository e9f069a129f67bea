package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// A store on a standby reads, and its writes say what to do. When the primary dies and
// the standby takes its place, a pool that was given both finds it without being
// opened again.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := server.New(t, server.Postgres())
	spec, err := server.Standby(t.Context(), primary)
	if err != nil {
		t.Fatal(err)
	}
	standby := server.New(t, spec)
	x := newTable(t, primary.URL())
	v := create(t, x.open(t, x.pool), "a", "kept")
	caughtUp(t, x, standby)

	s := x.open(t, postgrestest.Pool(t, standby.URL(), nil))
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "kept" || e.Revision != v {
		t.Errorf("a load from the standby: %+v, %v", e, err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate where there is nothing to do: %v", err)
	}
	for what, call := range map[string]func() error{
		"create": func() error { _, err := s.Create(t.Context(), "b", store.Record{}, time.Hour); return err },
		"update": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v); return err },
		"touch":  func() error { return s.Touch(t.Context(), "a", time.Hour) },
		"delete": func() error { return s.Delete(t.Context(), "a") },
		"sweep":  func() error { _, err := s.Sweep(t.Context()); return err },
	} {
		if err := call(); sqlstate(err) != "25006" || !strings.Contains(err.Error(), "target_session_attrs=read-write") {
			t.Errorf("%s: got %v, want the server's 25006 and what to do", what, err)
		}
	}

	both := strings.Replace(primary.URL(), primary.Addr(), primary.Addr()+","+standby.Addr(), 1) + "&target_session_attrs=read-write"
	s = x.open(t, postgrestest.Pool(t, both, nil))
	if err := s.Touch(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, x, standby)
	if err := primary.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Touch(t.Context(), "a", time.Hour); err == nil {
		t.Error("a touch of a dead primary: no error")
	}
	if _, err := postgrestest.Pool(t, standby.URL(), nil).Exec(t.Context(), `SELECT pg_promote()`); err != nil {
		t.Fatal(err)
	}
	e, err := s.Load(t.Context(), "a")
	if err != nil || string(e.Data) != "kept" {
		t.Fatalf("after the failover: %q, %v", e.Data, err)
	}
	if _, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, e.Revision); err != nil {
		t.Errorf("after the failover: %v", err)
	}
}

// caughtUp waits until the standby has all that the primary has.
func caughtUp(t *testing.T, x *table, standby *server.Server) {
	t.Helper()
	var at string
	if err := x.pool.QueryRow(t.Context(), `SELECT pg_current_wal_flush_lsn()::text`).Scan(&at); err != nil {
		t.Fatal(err)
	}
	pool := postgrestest.Pool(t, standby.URL(), nil)
	for there := false; !there; {
		if err := pool.QueryRow(t.Context(), `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, at).Scan(&there); err != nil {
			t.Fatal(err)
		}
	}
}
