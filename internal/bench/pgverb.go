package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

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

// verb compares a verb of the store with the statement that a program would send.
func (p *pg) verb(name string, goroutines, cycles int) ([]line, error) {
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
	data := noise(dataBytes)
	v := verb{what: fmt.Sprintf("postgres, %s, 512 B", name), goroutines: goroutines, of: len(ids)}
	v.hand = func(ctx context.Context, i int) error { return saveRaw(ctx, pool, ids[i], owner(i), data) }
	switch name {
	case "load":
		v.must = 1.1
		v.ours = func(ctx context.Context, i int) error { return load(ctx, s, ids[i]) }
		v.hand = func(ctx context.Context, i int) error { return loadRaw(ctx, pool, rawLoad, ids[i]) }
	case "update":
		v.must = 1.15
		v.ours = func(ctx context.Context, i int) (err error) {
			revs[i], err = s.Update(ctx, ids[i], store.Record{Data: data, Owner: owner(i)}, 24*time.Hour, revs[i])
			return err
		}
	case "touch":
		v.must = 0.6
		v.ours = func(ctx context.Context, i int) error { return s.Touch(ctx, ids[i], 24*time.Hour) }
	}
	return v.compare(cycles)
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
