package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// A step that a newer version of this package might have brings an old table up to
// date once, and keeps what is in it.
func TestMigrateTakesSteps(t *testing.T) {
	pool := postgrestest.Pool(t, serverURL(t), nil)
	opts := postgrestest.Options()
	opts.Migrate = true
	s, err := postgres.New(pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_, _ = pool.Exec(context.Background(), `DROP TABLE "`+opts.Table+`"`)
	})
	if _, err := s.Create(t.Context(), "a", store.Record{Data: []byte("kept")}, time.Hour); err != nil {
		t.Fatal(err)
	}
	postgres.WithSteps(s, `ALTER TABLE "sessions" ADD COLUMN note text;
COMMENT ON TABLE "sessions" IS 'sojourn schema 2'`)
	for range 2 { // the second time there is nothing to do
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "kept" {
		t.Errorf("after the step: %q, %v", e.Data, err)
	}
	if _, err := pool.Exec(t.Context(), `SELECT note FROM "`+opts.Table+`"`); err != nil {
		t.Errorf("the step was not taken: %v", err)
	}
}

func TestSchemaHasNoIndexOnTheDeadline(t *testing.T) {
	for line := range strings.Lines(postgres.Schema) {
		if strings.HasPrefix(line, "CREATE INDEX") && strings.Contains(line, "deadline") {
			t.Error(line)
		}
	}
}
