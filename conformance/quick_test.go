package conformance_test

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/store"
)

// quick is a store that takes no time and looks before it writes, without holding
// on to what it has seen: two calls must meet within a tenth of a microsecond.
type quick struct {
	mu   sync.Mutex
	rows map[string]quickRow
}

type quickRow struct {
	store.Record
	revision store.Revision
	deadline time.Time
}

func (s *quick) get(id string) (quickRow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.rows[id]
	return x, ok && time.Now().Before(x.deadline)
}

func (s *quick) put(id string, r store.Record, ttl time.Duration, v store.Revision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Data = bytes.Clone(r.Data)
	s.rows[id] = quickRow{r, v, time.Now().Add(ttl)}
}

func (s *quick) Load(_ context.Context, id string) (store.Entry, error) {
	x, ok := s.get(id)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return store.Entry{Record: x.Record, Revision: x.revision, TTL: time.Until(x.deadline)}, nil
}

func (s *quick) Create(_ context.Context, id string, r store.Record, ttl time.Duration) (store.Revision, error) {
	v := store.NewRevision()
	if _, ok := s.get(id); ok {
		return 0, store.ErrExists
	}
	s.put(id, r, ttl, v)
	return v, nil
}

func (s *quick) Update(_ context.Context, id string, r store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	v := store.NewRevision()
	switch x, ok := s.get(id); {
	case !ok:
		return 0, store.ErrNotFound
	case x.revision != base:
		return 0, store.ErrConflict
	}
	s.put(id, r, ttl, v)
	return v, nil
}

func (s *quick) Touch(_ context.Context, id string, ttl time.Duration) error {
	x, ok := s.get(id)
	if !ok {
		return store.ErrNotFound
	}
	s.put(id, x.Record, ttl, x.revision)
	return nil
}

func (s *quick) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
	return nil
}

// The wrong stores of TestSelf wait for a server that is played. This one, as a map
// does, gives two calls next to no time to meet.
func TestQuickRacesAreSeen(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("on one processor no two calls happen at one moment")
	}
	for _, id := range []string{"CREATE-4", "UPDATE-6"} {
		caught := false
		for range 20 { // one run sees it nearly always
			rep := conformance.Verify(t.Context(), func(testing.TB) conformance.Subject {
				return conformance.Subject{Store: &quick{rows: map[string]quickRow{}}}
			}, conformance.Only(id))
			if caught = rep.Failed(); caught {
				break
			}
		}
		if !caught {
			t.Errorf("%s does not see a store that looks, then writes", id)
		}
	}
}
