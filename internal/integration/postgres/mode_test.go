package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// Whatever way pgx is told to send statements, they do the same.
func TestEveryExecMode(t *testing.T) {
	x := newTable(t, shared.URL(t))
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			sep := "?"
			if strings.Contains(x.url, "?") {
				sep = "&"
			}
			exercise(t, x.open(t, postgrestest.Pool(t, x.url+sep+"default_query_exec_mode="+mode, nil)))
		})
	}
}

// exercise calls everything once.
func exercise(t *testing.T, s *postgres.Store) {
	t.Helper()
	ctx := t.Context()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.Create(ctx, `a'b"\c`, store.Record{Data: all, Owner: `Zoë '"\ 🙂`}, 876000*time.Hour)
	must(err)
	_, err = s.Create(ctx, `a'b"\c`, store.Record{}, time.Hour)
	if !errors.Is(err, store.ErrExists) {
		t.Fatalf("Create again: %v", err)
	}
	_, err = s.Create(ctx, "short", store.Record{}, 1)
	must(err)
	e, err := s.Load(ctx, `a'b"\c`)
	must(err)
	if string(e.Data) != string(all) || e.Owner != `Zoë '"\ 🙂` || e.Revision != v || e.TTL < 875999*time.Hour {
		t.Fatalf("Load: %+v", e)
	}
	must(s.Touch(ctx, `a'b"\c`, time.Hour))
	_, err = s.Update(ctx, `a'b"\c`, e.Record, time.Hour, v)
	must(err)
	_, err = s.Update(ctx, `a'b"\c`, e.Record, time.Hour, v)
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("Update again: %v", err)
	}
	n, err := s.Count(ctx)
	must(err)
	if n != 1 {
		t.Fatalf("Count: %d", n)
	}
	for _, q := range []store.Query{{}, {Data: true}, {Owner: e.Owner}, {Owner: e.Owner, Data: true}} {
		n := 0
		for l, err := range s.List(ctx, q) {
			must(err)
			if n++; q.Data != (len(l.Data) > 0) {
				t.Fatalf("List(%+v): %d bytes", q, len(l.Data))
			}
		}
		if n != 1 {
			t.Fatalf("List(%+v): %d sessions", q, n)
		}
	}
	if n, err = s.Sweep(ctx); err != nil || n != 1 {
		t.Fatalf("Sweep: %d, %v", n, err)
	}
	if n, err = s.DeleteOwner(ctx, e.Owner); err != nil || n != 1 {
		t.Fatalf("DeleteOwner: %d, %v", n, err)
	}
	must(s.Delete(ctx, "nobody"))
	must(s.Clear(ctx))
	must(s.Ping(ctx))
}
