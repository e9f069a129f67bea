package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/store"
)

// The setting that lets a touch not wait for the disk ends with its statement.
func TestTouchLeavesNoSetting(t *testing.T) {
	x := newTable(t, shared.URL(t))
	config := x.pool.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := x.open(t, pool)
	create(t, s, "a", "")
	if err := s.Touch(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	var v string
	if err := pool.QueryRow(t.Context(), `SHOW synchronous_commit`).Scan(&v); err != nil || v != "on" {
		t.Errorf("synchronous_commit is %q after a touch, %v", v, err)
	}
}

// Which writes wait for the disk: a trigger tells what each would commit with.
func TestWhichWritesWait(t *testing.T) {
	x := newTable(t, shared.URL(t))
	settings, fn := `"`+x.opts.Table+`_seen"`, `"`+x.opts.Table+`_f"`
	x.exec(t, `CREATE TABLE `+settings+` (v text)`)
	x.exec(t, `CREATE FUNCTION `+fn+`() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO `+settings+` VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`)
	x.exec(t, `CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON `+x.name()+` FOR EACH STATEMENT EXECUTE FUNCTION `+fn+`()`)
	t.Cleanup(func() {
		_, _ = x.pool.Exec(context.Background(), `DROP TABLE `+x.name()+`, `+settings+`; DROP FUNCTION `+fn)
	})
	setting := func(what, want string, err error) {
		t.Helper()
		var v string
		if err == nil {
			err = x.pool.QueryRow(t.Context(), `WITH gone AS (DELETE FROM `+settings+` RETURNING v) SELECT string_agg(DISTINCT v, ' ') FROM gone`).Scan(&v)
		}
		if err != nil || v != want {
			t.Errorf("%s commits with synchronous_commit %q, want %q; %v", what, v, want, err)
		}
	}
	s := x.open(t, x.pool)
	v, err := s.Create(t.Context(), "a", store.Record{}, time.Hour)
	setting("create", "on", err)
	_, err = s.Update(t.Context(), "a", store.Record{}, time.Hour, v)
	setting("update", "on", err)
	setting("touch", "off", s.Touch(t.Context(), "a", time.Hour))
	x.opts.DurableTouch = true
	setting("durable touch", "on", x.open(t, x.pool).Touch(t.Context(), "a", time.Hour))
	setting("delete", "on", s.Delete(t.Context(), "a"))
}
