package main

import (
	"errors"
	"os"
	"testing"

	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

func TestByURL(t *testing.T) {
	if err := run(t.Context(), "memory:"); err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), "mysql://somewhere"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a scheme that nobody answers to: %v", err)
	}
}

func TestByPool(t *testing.T) {
	url := os.Getenv("SOJOURN_TEST_POSTGRES_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_POSTGRES_URL is not set")
	}
	s, err := byPool(postgrestest.Pool(t, url, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestByCollection(t *testing.T) {
	url := os.Getenv("SOJOURN_TEST_MONGO_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_MONGO_URL is not set")
	}
	c := mongotest.Client(t, url, nil).Database(mongotest.Database(t, url)).Collection(mongotest.NewName())
	defer func() { _ = c.Drop(t.Context()) }()
	s, err := byCollection(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Migrate(t.Context()), s.Ping(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestByHTTP(t *testing.T) {
	s, err := byHTTP("http://localhost:2480", "user", "password", nil) // asks nothing yet
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
