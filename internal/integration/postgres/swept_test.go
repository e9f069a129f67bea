package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// statements counts those of the sweeper, and calls before ahead of each.
type statements struct {
	due, remove, walk int
	before            func(kind string)
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	kind := ""
	switch {
	case strings.Contains(data.SQL, "due <= now()"):
		s.due++
		kind = "due"
	case strings.Contains(data.SQL, "ctid = ANY"):
		s.remove++
		kind = "remove"
	case strings.Contains(data.SQL, "ctid >="):
		s.walk++
		kind = "walk"
	}
	if kind != "" && s.before != nil {
		s.before(kind)
	}
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (x *table) traced(t *testing.T, tracer pgx.QueryTracer) *pgxpool.Pool {
	t.Helper()
	config := x.pool.Config()
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// SWEEP-1 between the two statements: a session that came to life again after its place
// was found, and one that another has in its place by now, stay.
func TestSweepAsksAgain(t *testing.T) {
	x := newTable(t, shared.URL(t))
	seen := &statements{}
	s := x.open(t, x.traced(t, seen))
	x.fill(t, 100)
	seen.before = func(kind string) {
		if kind == "remove" {
			x.exec(t, `DELETE FROM `+x.name()+` WHERE id < 'old3'`)
			x.exec(t, `VACUUM `+x.name()) // so that their places are had by others
			other := x.open(t, x.pool)
			for i := range 20 {
				create(t, other, string(rune('A'+i)), "new")
			}
			x.exec(t, `UPDATE `+x.name()+` SET deadline = now() + interval '1 hour' WHERE id >= 'old9'`)
		}
	}
	n, err := s.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.Count(t.Context())
	if left != 31 || err != nil { // old9, old90 … old99
		t.Errorf("%d live sessions are left, want 31; %v", left, err)
	}
	if n != 66 {
		t.Errorf("%d were swept, want 66", n)
	}
}

// What is due is found by the index, ten thousand at a time, and removed in batches of
// 500; nothing of it is left to the walk. What is alive does not fill a look.
func TestSweepInBatches(t *testing.T) {
	x := newTable(t, shared.URL(t))
	seen := &statements{}
	s := x.open(t, x.traced(t, seen))
	x.fill(t, 23_000)
	x.exec(t, `UPDATE `+x.name()+` SET deadline = now() + interval '1 day', due = now() - interval '1 day' WHERE revision <= 11001`)
	left := -1
	seen.before = func(kind string) {
		if kind == "walk" && left < 0 {
			if err := x.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+x.name()).Scan(&left); err != nil {
				t.Error(err)
			}
		}
	}
	n, err := s.Sweep(t.Context())
	if n != 12_000 || err != nil {
		t.Errorf("%d, %v, want 12000", n, err)
	}
	if seen.due != 2 || seen.remove != 24 || left != 11_000 {
		t.Errorf("%d looks, want 2; %d batches, want 24; %d left to the walk, want 11000", seen.due, seen.remove, left)
	}
}
