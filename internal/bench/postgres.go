package main

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
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

var full = pgSizes{
	held: 4000, small: 10_000, large: crowd, stored: 10_000, visitors: 4000, expired: crowd, quiet: 10 * time.Second,
}

// callTime is how long a program lets a statement take that it sends by hand: what the
// store does by itself.
const callTime = 2 * time.Second

func (p *pg) rows() []row {
	rows := []row{{"postgres, the server", p.describe}}
	for _, goroutines := range []int{1, 16} {
		for _, verb := range []string{"load", "update", "touch"} {
			rows = append(rows, row{fmt.Sprintf("postgres, %s, %s", verb, count(goroutines)), func(cycles int) ([]line, error) {
				return p.verb(verb, goroutines, cycles)
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
	s, err := postgres.New(pool, &postgres.Options{Schema: p.server.schema, Table: name, SweepEvery: -1, Migrate: true})
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
	s, err := postgres.New(quick, &postgres.Options{Schema: p.server.schema, Table: table, SweepEvery: -1})
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

// together calls f in n goroutines and returns one of their errors.
func together(n int, f func(g int) error) error {
	var first failure
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { first.note(f(g)) })
	}
	wg.Wait()
	return first.err()
}

// failure is the first error that was noted. A row must return it, not panic: what it
// made in the server is to be removed.
type failure struct{ first atomic.Pointer[error] }

func (f *failure) note(err error) {
	if err != nil {
		f.first.CompareAndSwap(nil, &err)
	}
}

func (f *failure) err() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

// noise is data that cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func owner(i int) string { return fmt.Sprintf("user:%06d", i) }

// calls makes a block of calls, each for one of n sessions by chance, of which every
// goroutine has its own.
func (f *failure) calls(goroutines, n int, call func(g, i int) error) block {
	mine := n / goroutines
	return func(g, n int) {
		for range n {
			if f.first.Load() != nil {
				return
			}
			f.note(call(g, g*mine+mathrand.N(mine)))
		}
	}
}

// requestContexts returns a context for each goroutine, as that of a request is: it can
// be cancelled, and has values.
func requestContexts(n int) (contexts []context.Context, end func()) {
	type key struct{}
	var cancels []func()
	for range n {
		c, cancel := context.WithCancel(context.WithValue(ctx, key{}, n))
		contexts, cancels = append(contexts, c), append(cancels, cancel)
	}
	return contexts, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}
