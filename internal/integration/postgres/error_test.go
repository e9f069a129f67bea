package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/moby/moby/api/types/container"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// sqlstate is that of the server's error in err.
func sqlstate(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// seen counts what the server answered with, by SQLSTATE.
type seen struct {
	mu    sync.Mutex
	codes map[string]int
}

func (s *seen) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (s *seen) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if code := sqlstate(data.Err); code != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.codes[code]++
	}
}

func (s *seen) times(code string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.codes[code]
}

// poolWith connects with a setting of the server's, and hears what it answers.
func poolWith(t *testing.T, url, name, value string) (*pgxpool.Pool, *seen) {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	heard := &seen{codes: map[string]int{}}
	config.ConnConfig.RuntimeParams[name] = value
	config.ConnConfig.Tracer = heard
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, heard
}

// waits returns when a statement on the table waits for a lock.
func (x *table) waits(t *testing.T) {
	t.Helper()
	for n := 0; n == 0; {
		if err := x.pool.QueryRow(t.Context(), `
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`, "%"+x.opts.Table+"%").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
}

// A deadlock is the server's to end: it rolls one statement back, and if that is the
// store's, the store makes it again.
func TestDeadlockIsRepeated(t *testing.T) {
	x := newTable(t, shared.URL(t))
	// The server looks for a deadlock once, so long after a wait began.
	pool, heard := poolWith(t, x.url, "deadlock_timeout", "1s")
	x.opts.Timeout = time.Minute
	s := x.open(t, pool)
	create(t, s, "a", "")
	create(t, s, "b", "")
	x.exec(t, `UPDATE `+x.name()+` SET owner = 'o'`)
	tx, err := x.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `SET LOCAL deadlock_timeout = '1h'`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE `+x.name()+` SET owner = 'o' WHERE id = 'b'`); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // locks a, then waits for b
		n, err := s.DeleteOwner(t.Context(), "o")
		if err == nil && n != 2 {
			err = fmt.Errorf("%d sessions were ended, want 2", n)
		}
		ended <- err
	}()
	x.waits(t)
	// Waits for a, until the server has rolled the other statement back.
	if _, err := tx.Exec(t.Context(), `UPDATE `+x.name()+` SET owner = 'o' WHERE id = 'a'`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if heard.times("40P01") == 0 { // the repeat can get into another one
		t.Errorf("the server answered %v, want a deadlock", heard.codes)
	}
}

// In a database whose transactions are stricter than PostgreSQL's default, what
// the server refuses for it is repeated too: nobody sees a serialization failure.
func TestStricterTransactions(t *testing.T) {
	x := newTable(t, shared.URL(t))
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			pool, heard := poolWith(t, x.url, "default_transaction_isolation", level)
			s := x.open(t, pool)
			id := strings.ReplaceAll(level, " ", "-")
			const each = 25
			done := make(chan error, 8)
			for range cap(done) {
				go func() {
					var err error
					for range each {
						if err = visit(t.Context(), s, id); err != nil {
							break
						}
					}
					done <- err
				}()
			}
			for range cap(done) {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if e, err := s.Load(t.Context(), id); err != nil || string(e.Data) != fmt.Sprint(each*cap(done)) {
				t.Errorf("the count is %s, want %d; %v", e.Data, each*cap(done), err)
			}
			if heard.times("40001") == 0 {
				t.Error("there was no serialization failure")
			}
		})
	}
}

// On a server that is read-only, as a standby is, sessions are read, and a write says
// what to do.
func TestReadOnly(t *testing.T) {
	x := newTable(t, shared.URL(t))
	create(t, x.open(t, x.pool), "a", "")
	pool, _ := poolWith(t, x.url, "default_transaction_read_only", "on")
	s := x.open(t, pool)
	e, err := s.Load(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	_, created := s.Create(t.Context(), "b", store.Record{}, time.Hour)
	_, updated := s.Update(t.Context(), "a", store.Record{}, time.Hour, e.Revision)
	for what, err := range map[string]error{
		"create": created, "update": updated, "touch": s.Touch(t.Context(), "a", time.Hour), "delete": s.Delete(t.Context(), "a"),
	} {
		if sqlstate(err) != "25006" || !strings.Contains(err.Error(), "target_session_attrs=read-write") || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: got %v, want an error that names target_session_attrs", what, err)
		}
	}
	if _, err := s.Load(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// A server whose disk is full refuses with ErrFull; what was there can be read and
// deleted, and when there is room again it goes on.
func TestDiskFull(t *testing.T) {
	spec := server.Postgres()
	spec.URLVar = ""
	spec.Env["PGDATA"] = "/small/data"
	spec.Cmd = append(spec.Cmd, "-c", "max_wal_size=32MB", "-c", "min_wal_size=32MB", "-c", "autovacuum=off")
	spec.Host = func(h *container.HostConfig) { h.Tmpfs = map[string]string{"/small": "size=160m,mode=1777"} }
	sv := server.New(t, spec)
	x := newTable(t, sv.URL())
	s := x.open(t, x.pool)
	create(t, s, "first", "kept")
	// Something else fills the disk, up to the last bytes.
	const fill = "dd if=/dev/zero of=/small/ballast bs=64k; dd if=/dev/zero of=/small/rest bs=512; true"
	if _, err := sv.Exec(t.Context(), "bash", "-c", fill); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 100_000)
	for i := range data {
		data[i] = byte(i * i >> 3) // not what compresses well
	}
	var err error
	for n := 0; n < 2000 && err == nil; n++ {
		_, err = s.Create(t.Context(), fmt.Sprintf("n%d", n), store.Record{Data: data}, time.Hour)
	}
	want(t, "on a full disk", err, store.ErrFull)
	if errors.Is(err, store.ErrUnknown) || sqlstate(err) != "53100" {
		t.Errorf("the server's error is lost: %v", err)
	}
	if e, err := s.Load(t.Context(), "first"); err != nil || string(e.Data) != "kept" {
		t.Errorf("what was there: %q, %v", e.Data, err)
	}
	if err := s.Delete(t.Context(), "first"); err != nil {
		t.Errorf("delete on a full disk: %v", err)
	}
	if _, err := sv.Exec(t.Context(), "rm", "-f", "/small/ballast", "/small/rest"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "again", store.Record{Data: data}, time.Hour); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A NUL byte is in no id and no owner, and in data it is a byte like others.
func TestNUL(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	_, err := s.Create(t.Context(), "a\x00b", store.Record{}, time.Hour)
	want(t, "in an id", err, store.ErrInvalid)
	_, err = s.Create(t.Context(), "a", store.Record{Owner: "a\x00b"}, time.Hour)
	want(t, "in an owner", err, store.ErrInvalid)
	create(t, s, "a", "\x00\x00")
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "\x00\x00" {
		t.Errorf("in data: %q, %v", e.Data, err)
	}
}

// user makes a user that may use the table and no more, and returns its name and the
// URL by which it connects.
func (x *table) user(t *testing.T) (name, url string) {
	t.Helper()
	name = x.opts.Table
	x.exec(t, `CREATE ROLE "`+name+`" LOGIN PASSWORD 'secret'`)
	t.Cleanup(func() {
		_, _ = x.pool.Exec(context.Background(), `DROP OWNED BY "`+name+`"`)
		_, _ = x.pool.Exec(context.Background(), `DROP ROLE "`+name+`"`)
	})
	x.exec(t, `GRANT SELECT, INSERT, UPDATE, DELETE ON `+x.name()+` TO "`+name+`"`)
	config := x.pool.Config().ConnConfig
	return name, fmt.Sprintf("postgres://%s:secret@%s:%d/%s?sslmode=disable", name, config.Host, config.Port, config.Database)
}

// A user without the right to make tables can use one that is there, also by URL.
func TestNoRightToCreate(t *testing.T) {
	x := newTable(t, shared.URL(t))
	_, url := x.user(t)
	url += "&table="
	s, err := store.Open(t.Context(), url+x.opts.Table, postgres.Opener)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "a", "")
	if err := store.Close(s); err != nil {
		t.Error(err)
	}
	_, err = store.Open(t.Context(), url+x.opts.Table+"_none", postgres.Opener)
	if sqlstate(err) != "42501" {
		t.Errorf("got %v, want the server's 42501", err)
	}
}

// A password that is wrong is in no error.
func TestWrongPassword(t *testing.T) {
	config, err := pgx.ParseConfig(shared.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", config.User, "not-the-word", config.Host, config.Port, config.Database)
	_, err = store.Open(t.Context(), url, postgres.Opener)
	if sqlstate(err) != "28P01" || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "not-the-word") {
		t.Errorf("got %v, want the server's 28P01, without the password", err)
	}
}
