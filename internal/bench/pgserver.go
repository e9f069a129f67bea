package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgServer is the PostgreSQL that is measured: one that is there, or one that docker
// starts when it is first asked for. All that is done there happens in a schema of its
// own.
type pgServer struct {
	url    string // of a server that is there, or ""
	docker *docker
	schema string // the name of the schema and of this program's connections

	starts sync.Once
	pool   *pgxpool.Pool
	err    error // of the start

	ctx    context.Context // of the start, which can take minutes
	cancel context.CancelFunc
	mu     sync.Mutex // a start and an end do not overlap
	ended  bool
}

func newServer(getenv func(string) string) *pgServer {
	token := "sojourn_bench_" + strings.ToLower(rand.Text()[:10])
	s := &pgServer{url: getenv("SOJOURN_TEST_POSTGRES_URL"), schema: token, docker: &docker{
		run: command, image: "postgres:18", label: "sojourn.bench=" + token,
	}}
	if image := getenv("SOJOURN_TEST_POSTGRES_IMAGE"); image != "" {
		s.docker.image = image
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// open returns a pool of connections whose search path is the schema. An error is
// one of missing.
func (s *pgServer) open() (*pgxpool.Pool, error) {
	s.starts.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err = s.start(); s.err != nil {
			s.err = &missing{what: "Postgres", err: s.err, how: fmt.Sprintf("It wants a server: set SOJOURN_TEST_POSTGRES_URL, like postgres://user:password@localhost:5432/postgres?sslmode=disable,\n"+
				"or see to it that docker can run the image %s, or another one that SOJOURN_TEST_POSTGRES_IMAGE names.", s.docker.image)}
		}
	})
	return s.pool, s.err
}

func (s *pgServer) start() error {
	if s.ended {
		return context.Canceled
	}
	if s.url == "" {
		var err error
		if s.url, err = s.docker.start(s.ctx, answers); err != nil {
			s.url = ""
			return err
		}
	}
	if err := answers(s.ctx, s.url); err != nil {
		return err
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(s.ctx, config); err != nil {
		return err
	}
	_, err = s.pool.Exec(s.ctx, `CREATE SCHEMA `+s.schema)
	return err
}

// config is how the server is connected to.
func (s *pgServer) config() (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20 // 16 goroutines never wait for one
	config.MinConns = 16 // nor have one made
	config.ConnConfig.RuntimeParams["application_name"] = s.schema
	config.ConnConfig.RuntimeParams["search_path"] = s.schema
	return config, nil
}

// another returns a further pool, of n connections with a setting of theirs.
func (s *pgServer) another(n int32, setting, value string) (*pgxpool.Pool, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = n, 0
	config.ConnConfig.RuntimeParams[setting] = value
	return pgxpool.NewWithConfig(s.ctx, config)
}

// answers connects once.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	return c.Ping(ctx)
}

// close removes what was made, also from under what is still being measured.
func (s *pgServer) close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	if s.docker.used {
		return s.docker.remove()
	}
	if s.pool == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return fmt.Errorf("the schema %s stays: %w", s.schema, err)
	}
	defer func() { _ = c.Close(ctx) }()
	// Whatever they are doing would hold the tables for as long as it takes.
	if _, err = c.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, s.schema); err == nil {
		_, err = c.Exec(ctx, `DROP SCHEMA IF EXISTS `+s.schema+` CASCADE`)
	}
	if err != nil {
		return fmt.Errorf("the schema %s stays: %w", s.schema, err)
	}
	return nil
}
