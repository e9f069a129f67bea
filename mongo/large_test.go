package mongo_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// The largest session that the store takes is one that the server takes.
func TestLargest(t *testing.T) {
	url := serverURL(t)
	c := mongotest.Client(t, url, nil).Database(mongotest.Database(t, url)).Collection(mongotest.NewName())
	defer func() { _ = c.Drop(t.Context()) }()
	s, err := mongo.New(c, &mongo.Options{SweepEvery: -1, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	most := store.Record{Data: make([]byte, 16<<20-16<<10), Owner: "o"}
	v, err := s.Create(t.Context(), "a", most, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), "a", most, time.Hour, v); err != nil {
		t.Error(err)
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || len(e.Data) != len(most.Data) {
		t.Errorf("%d bytes, %v", len(e.Data), err)
	}
	more := store.Record{Data: make([]byte, len(most.Data)+1)}
	if _, err := s.Create(t.Context(), "b", more, time.Hour); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a byte more: %v", err)
	}
}
