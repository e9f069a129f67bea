package main

import (
	"context"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgServer is the PostgreSQL that is measured. All that is done there happens in a schema
// of its own, which is called as its connections are.
type pgServer struct {
	*server
	pool *pgxpool.Pool
}

func newPostgres(getenv func(string) string) *pgServer {
	s := &pgServer{}
	s.server = newServer(getenv, kind{
		name:   "Postgres",
		urlVar: "SOJOURN_TEST_POSTGRES_URL", like: "postgres://user:password@localhost:5432/postgres?sslmode=disable",
		imageVar: "SOJOURN_TEST_POSTGRES_IMAGE", image: "postgres:18",
		container: container{
			port: "5432",
			command: func(image, password string) []string {
				return []string{"--shm-size", "256m", "-e", "POSTGRES_PASSWORD=" + password, image}
			},
			url: url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: "sslmode=disable"},
		},
		answers: pgAnswers, begin: s.begin, end: s.end,
	})
	return s
}

// open returns a pool of connections whose search path is the schema. An error is
// one of missing.
func (s *pgServer) open() (*pgxpool.Pool, error) {
	err := s.start()
	return s.pool, err
}

func (s *pgServer) begin(ctx context.Context, url string) error {
	config, err := s.config(url)
	if err != nil {
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `CREATE SCHEMA `+s.token)
	return err
}

// config is how the server is connected to.
func (s *pgServer) config(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20 // 16 goroutines never wait for one
	config.MinConns = 16 // nor have one made
	config.ConnConfig.RuntimeParams["application_name"] = s.token
	config.ConnConfig.RuntimeParams["search_path"] = s.token
	return config, nil
}

// another returns a further pool, of n connections with a setting of theirs.
func (s *pgServer) another(n int32, setting, value string) (*pgxpool.Pool, error) {
	config, err := s.config(s.at)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = n, 0
	config.ConnConfig.RuntimeParams[setting] = value
	return pgxpool.NewWithConfig(s.ctx, config)
}

func pgAnswers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	return c.Ping(ctx)
}

func (s *pgServer) end(ctx context.Context, url string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	// Whatever they are doing would hold the tables for as long as it takes.
	if _, err = c.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, s.token); err == nil {
		_, err = c.Exec(ctx, `DROP SCHEMA IF EXISTS `+s.token+` CASCADE`)
	}
	return err
}
