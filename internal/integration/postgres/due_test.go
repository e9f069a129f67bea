package postgres_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// What the package says of due: never before the deadline, moved seldom, and no further
// behind it than four lives.
func TestDue(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	due := func() (at time.Time, behind time.Duration) {
		t.Helper()
		if err := x.pool.QueryRow(t.Context(), `SELECT due, (extract(epoch FROM due - deadline) * 1000000)::int8 * 1000 FROM `+x.name()).Scan(&at, &behind); err != nil {
			t.Fatal(err)
		}
		return at, behind
	}
	check := func(what string, behind, least, most time.Duration) {
		t.Helper()
		if behind < least || behind > most {
			t.Errorf("%s: due is %v after the deadline, want %v to %v", what, behind, least, most)
		}
	}
	const day = 24 * time.Hour
	v, err := s.Create(t.Context(), "a", store.Record{}, day)
	if err != nil {
		t.Fatal(err)
	}
	first, behind := due()
	check("created", behind, day, day+time.Hour)
	for range 3 {
		if err := s.Touch(t.Context(), "a", day); err != nil {
			t.Fatal(err)
		}
		if v, err = s.Update(t.Context(), "a", store.Record{}, day, v); err != nil {
			t.Fatal(err)
		}
	}
	if at, _ := due(); !at.Equal(first) {
		t.Errorf("due was moved from %v to %v", first, at)
	}
	for _, write := range []func(time.Duration) error{
		func(ttl time.Duration) error { return s.Touch(t.Context(), "a", ttl) },
		func(ttl time.Duration) (err error) {
			v, err = s.Update(t.Context(), "a", store.Record{}, ttl, v)
			return err
		},
	} {
		for _, ttl := range []time.Duration{30 * day, day, 3 * time.Hour, 20 * day} {
			if err := write(ttl); err != nil {
				t.Fatal(err)
			}
			_, behind := due()
			check(ttl.String(), behind, 0, 4*ttl)
		}
	}
}

// After Close there is no sweeper any more, even if it was in the middle of a
// statement.
func TestCloseWaitsForTheSweeper(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool := postgrestest.Pool(t, x.url, nil)
	x.opts.SweepEvery = time.Millisecond
	s, err := postgres.New(pool, &x.opts)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := x.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `LOCK TABLE `+x.name()); err != nil {
		t.Fatal(err)
	}
	x.waits(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	if text := string(buf[:runtime.Stack(buf, true)]); strings.Contains(text, "startSweeper") {
		t.Errorf("after Close:\n%s", text)
	}
}

// A store from a URL ends its connections with itself.
func TestOpenedStoreEndsItsConnections(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s, err := store.Open(t.Context(), storeURL(x.url, &x.opts)+"&application_name="+x.opts.Table, postgres.Opener)
	if err != nil {
		t.Fatal(err)
	}
	open := func() (n int) {
		t.Helper()
		if err := x.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, x.opts.Table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if open() == 0 {
		t.Fatal("it has no connection")
	}
	if err := store.Close(s); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); open() > 0; { // until the server has seen their ends
		if time.Since(began) > 10*time.Second {
			t.Fatal("10 s after Close it has connections")
		}
	}
}

// TTL-2: what expires while a statement waits for the table has expired.
func TestExpiryDuringAWait(t *testing.T) {
	x := newTable(t, shared.URL(t))
	config := x.pool.Config()
	config.MaxConns = 1 // so that the statements are prepared, and wait when they run
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := x.open(t, pool)
	for what, call := range map[string]func(store.Revision) error{
		"load":  func(store.Revision) error { _, err := s.Load(t.Context(), "a"); return err },
		"touch": func(store.Revision) error { return s.Touch(t.Context(), "a", time.Hour) },
		"update": func(v store.Revision) error {
			_, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v)
			return err
		},
	} {
		if err := call(create(t, s, "a", "")); err != nil {
			t.Fatal(err)
		}
		_ = s.Delete(t.Context(), "a")
		v := create(t, s, "a", "")
		tx, err := x.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `LOCK TABLE `+x.name()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- call(v) }()
		x.waits(t)
		if _, err := tx.Exec(t.Context(), `UPDATE `+x.name()+` SET deadline = clock_timestamp()`); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", what, err)
		}
	}
}
