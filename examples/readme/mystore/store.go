// Package mystore is the smallest store that keeps the contract: a map and a lock.
// Begin a store of your own with a copy of it.
package mystore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Store keeps sessions in a map, and never removes what has expired.
type Store struct {
	mu   sync.Mutex
	rows map[string]row
}

type row struct {
	data     []byte
	owner    string
	revision store.Revision
	expires  time.Time
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{rows: map[string]row{}} }

// live is the row under id if it has not expired.
func (s *Store) live(id string) (row, bool) {
	x, ok := s.rows[id]
	return x, ok && time.Now().Before(x.expires)
}

// put stores a copy of the record under a new revision.
func (s *Store) put(id string, rec store.Record, ttl time.Duration) store.Revision {
	x := row{bytes.Clone(rec.Data), rec.Owner, store.NewRevision(), time.Now().Add(ttl)}
	s.rows[id] = x
	return x.revision
}

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := store.CheckLoad(ctx, id); err != nil {
		return store.Entry{}, fmt.Errorf("mystore: load: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.live(id)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return store.Entry{Record: store.Record{Data: x.data, Owner: x.owner}, Revision: x.revision, TTL: time.Until(x.expires)}, nil
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := store.CheckCreate(ctx, id, rec, ttl, 0); err != nil {
		return 0, fmt.Errorf("mystore: create: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.live(id); ok {
		return 0, store.ErrExists
	}
	return s.put(id, rec, ttl), nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := store.CheckUpdate(ctx, id, rec, ttl, base, 0); err != nil {
		return 0, fmt.Errorf("mystore: update: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch x, ok := s.live(id); {
	case !ok:
		return 0, store.ErrNotFound
	case x.revision != base:
		return 0, store.ErrConflict
	}
	return s.put(id, rec, ttl), nil
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := store.CheckTouch(ctx, id, ttl); err != nil {
		return fmt.Errorf("mystore: touch: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.live(id)
	if !ok {
		return store.ErrNotFound
	}
	x.expires = time.Now().Add(ttl)
	s.rows[id] = x
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := store.CheckDelete(ctx, id); err != nil {
		return fmt.Errorf("mystore: delete: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
	return nil
}

// Age moves every deadline into the past, for the conformance suite.
func (s *Store) Age(_ context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, x := range s.rows {
		x.expires = x.expires.Add(-d)
		s.rows[id] = x
	}
	return nil
}
