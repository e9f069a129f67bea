package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// pg measures the store of package postgres against statements sent by hand.
type pg struct {
	server *pgServer
	sizes  pgSizes
}

// pgSizes are how much of everything there is. A test takes less.
type pgSizes struct {
	held         int           // sessions in a table that is compared
	small, large int           // of which one table is the other grown
	stored       int           // sessions whose bytes are counted
	visitors     int           // sessions of a simulated day
	expired      int           // that are swept
	quiet        time.Duration // of a table that is then swept
}

var pgFull = pgSizes{
	held: 4000, small: 10_000, large: crowd, stored: 10_000, visitors: 4000, expired: crowd, quiet: 10 * time.Second,
}

func (p *pg) rows() []row {
	rows := []row{{"postgres, the server", p.describe}}
	for _, goroutines := range []int{1, 16} {
		for _, name := range []string{"load", "update", "touch"} {
			rows = append(rows, row{fmt.Sprintf("postgres, %s, %s", name, count(goroutines)), func(cycles int) ([]line, error) {
				return p.verb(name, goroutines, cycles)
			}})
		}
	}
	return append(rows, row{"postgres, growth", p.growth}, row{"postgres, bytes on disk", p.bytesOnDisk})
}

// describe shows what the figures depend on.
func (p *pg) describe(int) ([]line, error) {
	pool, err := p.server.open()
	if err != nil {
		return nil, err
	}
	said := ""
	err = pool.QueryRow(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version')
		|| (SELECT string_agg(', ' || name || ' ' || current_setting(name), '' ORDER BY name)
		FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'shared_buffers'))`).Scan(&said)
	return []line{{what: "postgres, the server", noise: said}}, err
}

// table opens a store with a table of its own, and returns what removes both.
func (p *pg) table(name string) (*pgxpool.Pool, *postgres.Store, func(), error) {
	pool, err := p.server.open()
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := postgres.New(pool, &postgres.Options{Schema: p.server.token, Table: name, SweepEvery: -1, Migrate: true})
	if err != nil {
		return nil, nil, nil, err
	}
	return pool, s, func() {
		_ = s.Close()
		_, _ = pool.Exec(ctx, `DROP TABLE `+name)
	}, nil
}

// create makes n sessions by the store's own Create, without waiting for the disk.
func (p *pg) create(table string, n, bytes int) ([]string, []store.Revision, error) {
	quick, err := p.server.another(16, "synchronous_commit", "off")
	if err != nil {
		return nil, nil, err
	}
	defer quick.Close()
	s, err := postgres.New(quick, &postgres.Options{Schema: p.server.token, Table: table, SweepEvery: -1})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = s.Close() }()
	ids, revs := newIDs(n), make([]store.Revision, n)
	var next atomic.Int64
	err = together(16, func(int) error {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			rev, err := s.Create(ctx, ids[i], store.Record{Data: noise(bytes), Owner: owner(i)}, 24*time.Hour)
			if err != nil {
				return err
			}
			revs[i] = rev
		}
		return nil
	})
	return ids, revs, err
}
