package faulty

import (
	"context"
	"iter"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	return value(ctx, s, Load, func() (store.Entry, error) { return s.inner.Load(ctx, id) })
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	return value(ctx, s, Create, func() (store.Revision, error) { return s.inner.Create(ctx, id, rec, ttl) })
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	return value(ctx, s, Update, func() (store.Revision, error) { return s.inner.Update(ctx, id, rec, ttl, base) })
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	return s.call(ctx, Touch, func() error { return s.inner.Touch(ctx, id, ttl) })
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.call(ctx, Delete, func() error { return s.inner.Delete(ctx, id) })
}

// List implements [store.Lister]. After makes it fail when it has yielded
// everything; a Cut that is set while it runs ends it there.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		stopped := false
		err := s.call(ctx, List, func() error {
			for l, err := range store.List(ctx, s.inner, q) {
				if err != nil {
					return err
				}
				if cut, _ := s.strike(List, Cut); cut != nil {
					return fail(List, cut)
				}
				if !yield(l, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(store.Listed{}, err)
		}
	}
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	return value(ctx, s, DeleteOwner, func() (int, error) { return store.DeleteOwner(ctx, s.inner, owner) })
}

// Count implements [store.Counter].
func (s *Store) Count(ctx context.Context) (int, error) {
	return value(ctx, s, Count, func() (int, error) { return store.Count(ctx, s.inner) })
}

// Clear implements [store.Clearer].
func (s *Store) Clear(ctx context.Context) error {
	return s.call(ctx, Clear, func() error { return store.Clear(ctx, s.inner) })
}

// Sweep implements [store.Sweeper].
func (s *Store) Sweep(ctx context.Context) (int, error) {
	return value(ctx, s, Sweep, func() (int, error) { return store.Sweep(ctx, s.inner) })
}

// Ping implements [store.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	return s.call(ctx, Ping, func() error { return store.Ping(ctx, s.inner) })
}

// Close closes the wrapped store. It never fails by a fault.
func (s *Store) Close() error { return store.Close(s.inner) }

// value is call for a verb that returns something. A call that fails returns T's
// zero value, also when it was applied.
func value[T any](ctx context.Context, s *Store, verb string, apply func() (T, error)) (T, error) {
	var v T
	err := s.call(ctx, verb, func() (err error) { v, err = apply(); return err })
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}
