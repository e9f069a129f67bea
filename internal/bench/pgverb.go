package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// rawTable is the least that can keep a session: nobody can list by owner, and nothing
// finds what has expired.
const rawTable = `CREATE TABLE raw (
	revision int8 NOT NULL, deadline timestamptz NOT NULL, id text COLLATE "C" PRIMARY KEY, owner text NOT NULL, data bytea NOT NULL
) WITH (fillfactor = 90)`

// The statements that a program would send by hand, prepared by pgx as ours are.
var (
	rawLoad = rawLoadFrom("raw")
	rawSave = `INSERT INTO raw (id, owner, data, revision, deadline) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, data = excluded.data, revision = excluded.revision, deadline = excluded.deadline`
)

func rawLoadFrom(table string) string {
	return `SELECT revision, owner, data, deadline FROM ` + table + ` WHERE id = $1 AND deadline > now()`
}

// verb compares a verb of the store with a statement sent by hand through the same
// pool: by a program that never gives up, and by one that bounds its calls.
func (p *pg) verb(verb string, goroutines, cycles int) ([]line, error) {
	pool, s, drop, err := p.table("sessions")
	if err != nil {
		return nil, err
	}
	defer drop()
	defer func() { _, _ = pool.Exec(ctx, `DROP TABLE IF EXISTS raw`) }()
	ids, revs, err := p.create("sessions", p.sizes.held, dataBytes)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		rawTable,
		`INSERT INTO raw (id, owner, data, revision, deadline) SELECT id, owner, data, revision, deadline FROM sessions`,
		`VACUUM ANALYZE sessions`, `VACUUM ANALYZE raw`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	contexts, end := requestContexts(goroutines)
	defer end()
	data := noise(dataBytes)
	var failed failure
	each := func(call func(g, i int) error) block { return failed.calls(goroutines, len(ids), call) }
	byVerb := map[string]struct {
		ours   func(g, i int) error
		raw    func(ctx context.Context, i int) error
		target float64
	}{
		"load": {
			ours: func(g, i int) error { return load(contexts[g], s, ids[i]) },
			raw:  func(ctx context.Context, i int) error { return loadRaw(ctx, pool, rawLoad, ids[i]) }, target: 1.1,
		},
		"update": {
			ours: func(g, i int) (err error) {
				revs[i], err = s.Update(contexts[g], ids[i], store.Record{Data: data, Owner: owner(i)}, 24*time.Hour, revs[i])
				return err
			},
			raw: func(ctx context.Context, i int) error { return saveRaw(ctx, pool, ids[i], owner(i), data) }, target: 1.15,
		},
		"touch": {
			ours: func(g, i int) error { return s.Touch(contexts[g], ids[i], 24*time.Hour) },
			raw:  func(ctx context.Context, i int) error { return saveRaw(ctx, pool, ids[i], owner(i), data) }, target: 0.6,
		},
	}[verb]
	var lines []line
	for _, limit := range []struct {
		what string
		call func(g, i int) error
	}{
		{"without a bound", func(_, i int) error { return byVerb.raw(context.Background(), i) }},
		{"bounded", func(g, i int) error {
			ctx, cancel := context.WithTimeout(contexts[g], callTime)
			defer cancel()
			return byVerb.raw(ctx, i)
		}},
	} {
		r := compare(comparison{goroutines: goroutines, waits: true, ours: each(byVerb.ours), limit: each(limit.call)}, cycles)
		if err := failed.err(); err != nil {
			return nil, err
		}
		what := fmt.Sprintf("postgres, %s, 512 B, %s, the limit %s", verb, count(goroutines), limit.what)
		lines = append(lines, r.line(what, target{byVerb.target, -1}))
	}
	return lines, nil
}

func load(ctx context.Context, s *postgres.Store, id string) error {
	e, err := s.Load(ctx, id)
	if err == nil && len(e.Data) != dataBytes {
		err = fmt.Errorf("loaded %d B", len(e.Data))
	}
	return err
}

func loadRaw(ctx context.Context, pool *pgxpool.Pool, sql, id string) error {
	var revision int64
	var owner string
	var data []byte
	var deadline time.Time
	return pool.QueryRow(ctx, sql, id).Scan(&revision, &owner, &data, &deadline)
}

func saveRaw(ctx context.Context, pool *pgxpool.Pool, id, owner string, data []byte) error {
	_, err := pool.Exec(ctx, rawSave, id, owner, data, int64(store.NewRevision()), time.Now().Add(24*time.Hour))
	return err
}
