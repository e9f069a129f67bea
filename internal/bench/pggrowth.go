package main

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// growth compares loads of a table with a hundred times the sessions.
func (p *pg) growth(cycles int) ([]line, error) {
	var ids [2][]string
	var stores [2]*postgres.Store
	var byHand [2]string
	pool, err := p.server.open()
	if err != nil {
		return nil, err
	}
	for i, n := range []int{p.sizes.small, p.sizes.large} {
		name := fmt.Sprintf("grown%d", i)
		_, s, drop, err := p.table(name)
		if err != nil {
			return nil, err
		}
		defer drop()
		stores[i], byHand[i] = s, rawLoadFrom(name)
		ends := time.Now().Add(24 * time.Hour)
		if ids[i], err = fill(pool, name, n, func(int) time.Time { return ends }); err != nil {
			return nil, err
		}
	}
	return growth("postgres", ids, cycles,
		func(k, i int) error { return load(ctx, stores[k], ids[k][i]) },
		func(k, i int) error { return loadRaw(ctx, pool, byHand[k], ids[k][i]) })
}

// fill puts n sessions into a table of the store's as its Create would have, so many at
// once that Create would take minutes.
func fill(pool *pgxpool.Pool, table string, n int, deadline func(i int) time.Time) ([]string, error) {
	ids, i := newIDs(n), -1
	_, err := pool.CopyFrom(ctx, pgx.Identifier{table}, []string{"id", "owner", "data", "revision", "deadline", "due"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i++; i == n {
				return nil, nil
			}
			ends := deadline(i)
			return []any{ids[i], owner(i), noise(dataBytes), int64(store.NewRevision()), ends, ends.Truncate(time.Hour).Add(time.Hour)}, nil
		}))
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, `VACUUM ANALYZE `+table); err != nil {
		return nil, err
	}
	_, _ = pool.Exec(ctx, `CHECKPOINT`) // what is not written yet would be, later; not everybody may
	return ids, nil
}

// bytesOnDisk tells what the server keeps for a session.
func (p *pg) bytesOnDisk(int) ([]line, error) {
	var lines []line
	for _, bytes := range []int{512, 8 << 10} {
		table, indexes, err := p.stored(bytes)
		if err != nil {
			return nil, err
		}
		least := bytes + 43 + len(owner(0))
		lines = append(lines, line{
			what:  fmt.Sprintf("postgres, on disk per session of %d B, each with an owner of its own", bytes),
			ours:  fmt.Sprintf("%d B", table+indexes),
			limit: fmt.Sprintf("%d B", least),
			ratio: fmt.Sprintf("%.2f", float64(table+indexes)/float64(least)),
			noise: fmt.Sprintf("%d B in the table with its TOAST, %d B in the indexes", table, indexes),
		})
	}
	return lines, nil
}

func (p *pg) stored(bytes int) (table, indexes int, err error) {
	pool, _, drop, err := p.table("stored")
	if err != nil {
		return 0, 0, err
	}
	defer drop()
	if _, _, err = p.create("stored", p.sizes.stored, bytes); err != nil {
		return 0, 0, err
	}
	err = pool.QueryRow(ctx, `SELECT pg_table_size('stored') / $1, pg_indexes_size('stored') / $1`, p.sizes.stored).Scan(&table, &indexes)
	return table, indexes, err
}
