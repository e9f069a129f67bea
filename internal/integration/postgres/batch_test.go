package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// many makes n sessions of an owner.
func (x *table) many(t *testing.T, owner string, n int) {
	t.Helper()
	x.exec(t, `
INSERT INTO `+x.name()+` (id, owner, data, revision, deadline, due)
SELECT $1::text || i, $1, 'x', i, now() + interval '1 hour', now() + interval '1 day' FROM generate_series(1, $2::int) AS i`, owner, n)
}

// A batch that the server rolls back when it is about to be committed is made again:
// no session is passed over. A trigger does what a serialization failure does, once.
func TestBatchThatIsRolledBack(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool, heard := poolWith(t, x.url, "application_name", "batches")
	s := x.open(t, pool)
	x.exec(t, fmt.Sprintf(`
CREATE SEQUENCE %[1]q;
CREATE FUNCTION %[2]q() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('%[3]q') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = '40001'; END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER once AFTER DELETE ON %[4]s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION %[2]q()`,
		x.opts.Table+"_seq", x.opts.Table+"_fail", x.opts.Table+"_seq", x.name()))
	t.Cleanup(func() {
		_, _ = x.pool.Exec(context.Background(), fmt.Sprintf(`DROP TABLE %s; DROP FUNCTION %q; DROP SEQUENCE %q`, x.name(), x.opts.Table+"_fail", x.opts.Table+"_seq"))
	})
	again := func() { x.exec(t, fmt.Sprintf(`ALTER SEQUENCE %q RESTART`, x.opts.Table+"_seq")) }
	x.many(t, "o", 1200)
	if n, err := s.DeleteOwner(t.Context(), "o"); n != 1200 || err != nil {
		t.Errorf("DeleteOwner: %d, %v, want 1200", n, err)
	}
	x.many(t, "o", 1200)
	again()
	if err := s.Clear(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("Clear left %d, %v", n, err)
	}
	if n := heard.times("40001"); n != 2 {
		t.Errorf("%d batches were rolled back, want 2", n)
	}
}

// OWNER-3 where transactions are serializable: every call ends all of its owner's.
func TestEndingOwnersAtOnce(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool, heard := poolWith(t, x.url, "default_transaction_isolation", "serializable")
	s := x.open(t, pool)
	rounds := 20
	if full() {
		rounds = 500
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			owner := fmt.Sprintf("o%d", w)
			for range rounds {
				x.many(t, owner, 700)
				if _, err := s.DeleteOwner(t.Context(), owner); err != nil {
					t.Error(err)
					return
				}
				left := 0
				for _, err := range s.List(t.Context(), store.Query{Owner: owner}) {
					if err != nil {
						t.Error(err)
					}
					left++
				}
				if left > 0 {
					t.Errorf("%d sessions of %s are left", left, owner)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d serialization failures", heard.times("40001"))
}

// OWNER-3: a session that moves to another owner while DeleteOwner waits for it is that
// one's.
func TestMovedWhileOwnersEnd(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	x.many(t, "o", 10)
	tx, err := x.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `UPDATE `+x.name()+` SET owner = 'p' WHERE id = 'o5'`); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		n, err := s.DeleteOwner(t.Context(), "o")
		if err == nil && n != 9 {
			err = fmt.Errorf("%d were ended, want 9", n)
		}
		ended <- err
	}()
	x.waits(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if e, err := s.Load(t.Context(), "o5"); err != nil || e.Owner != "p" {
		t.Errorf("the one that moved: %q, %v", e.Owner, err)
	}
}

// Batches of sessions so large that one takes longer than a call may are made smaller.
func TestLargeSessionsInBatches(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	defer wg.Wait()
	// At once, since most of it is to wait for the server.
	for what, call := range map[string]func(x *table, s *postgres.Store) error{
		"DeleteOwner":          func(_ *table, s *postgres.Store) error { _, err := s.DeleteOwner(t.Context(), "o"); return err },
		"Clear":                func(_ *table, s *postgres.Store) error { return s.Clear(t.Context()) },
		"Sweep of what is due": func(_ *table, s *postgres.Store) error { return swept(s.Sweep(t.Context())) },
		"Sweep of what is not due": func(x *table, s *postgres.Store) error {
			_, err := x.pool.Exec(t.Context(), `UPDATE `+x.name()+` SET due = now() + interval '1 day'`)
			return errors.Join(err, swept(s.Sweep(t.Context())))
		},
	} {
		x := newTable(t, shared.URL(t))
		x.slow(t)
		x.opts.Timeout = 2 * time.Second
		s := x.open(t, x.pool)
		if strings.HasPrefix(what, "Sweep") {
			x.fill(t, large)
		} else {
			x.many(t, "o", large)
		}
		wg.Go(func() {
			if err := call(x, s); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if n, err := s.Count(t.Context()); n != 0 || err != nil {
				t.Errorf("%s: %d are left, %v", what, n, err)
			}
		})
	}
}

const large = 600 // sessions, more than a batch

// swept is an error unless a sweep has removed them all.
func swept(n int, err error) error {
	if err == nil && n < large {
		err = fmt.Errorf("%d were swept, want %d", n, large)
	}
	return err
}

// slow has the server remove many at once as a small one would with a megabyte each: for
// longer than any call has. A few it removes at once.
func (x *table) slow(t *testing.T) {
	t.Helper()
	name := x.opts.Table + "_slow"
	x.exec(t, fmt.Sprintf(`
CREATE FUNCTION %[1]q() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF (SELECT count(*) FROM removed) > 100 THEN PERFORM pg_sleep(600); END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER slow AFTER DELETE ON %[2]s REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION %[1]q()`, name, x.name()))
	t.Cleanup(func() {
		_, _ = x.pool.Exec(context.Background(), fmt.Sprintf(`DROP TABLE %s; DROP FUNCTION %q`, x.name(), name))
	})
}

// Four stores make the table at once, two of which find it by the search path; in a
// database whose transactions are stricter too.
func TestMigrateAtOnceByTwoNames(t *testing.T) {
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			for range 5 {
				x := unmade(t, shared.URL(t))
				var wg sync.WaitGroup
				for i := range 4 {
					pool, _ := poolWith(t, x.url, "default_transaction_isolation", level)
					wg.Go(func() {
						opts := x.opts
						opts.Migrate = true
						if i%2 == 0 {
							opts.Schema = "public"
						}
						s, err := postgres.New(pool, &opts)
						if err != nil {
							t.Errorf("one of four: %v", err)
							return
						}
						defer s.Close()
						create(t, s, fmt.Sprint(i), "")
					})
				}
				wg.Wait()
			}
		})
	}
}

// One sweeper works at a time, whichever name it has for the table.
func TestOneSweeperAtATime(t *testing.T) {
	x := newTable(t, shared.URL(t))
	x.fill(t, 10)
	tx, err := x.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	held := false
	// The other sweeper is in the middle of a statement.
	if err := tx.QueryRow(t.Context(), `SELECT pg_try_advisory_xact_lock(1936683619, $1::regclass::oid::int4)`, "public."+x.name()).Scan(&held); err != nil || !held {
		t.Fatalf("the lock is held: %v, %v", held, err)
	}
	s := x.open(t, postgrestest.Pool(t, x.url, nil))
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("beside another sweeper: %d, %v", n, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context()); n != 10 || err != nil {
		t.Errorf("alone: %d, %v", n, err)
	}
}
