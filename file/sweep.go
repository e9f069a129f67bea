package file

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sojourn-go/sojourn/internal/background"
	"github.com/sojourn-go/sojourn/store"
)

// Sweep implements [store.Sweeper]. It reads the deadlines without a lock, and looks at
// them again under it, in batches of 100. Each sweep tidies one of the folders of owners.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, err := s.sweep(ctx)
	return n, s.wrap("sweep", err)
}

func (s *Store) sweep(ctx context.Context) (removed int, err error) {
	if err := s.step(store.CheckContext(ctx), func() error { return nil }); err != nil {
		return 0, err
	}
	var t troubles
	for i := range s.sessions {
		if err := t.note(s.step(store.CheckContext(ctx), func() error {
			n, err := s.sweepFolder(ctx, i)
			removed += n
			return err
		})); err != nil {
			return removed, err
		}
	}
	next := int(s.sweeper.owners.Add(1) % uint32(len(s.owners)))
	if err := t.note(s.step(store.CheckContext(ctx), func() error { return s.tidy(ctx, next) })); err != nil {
		return removed, err
	}
	return removed, t.first
}

func (s *Store) sweepFolder(ctx context.Context, shard int) (removed int, err error) {
	names, err := s.names(ctx, shard)
	if err != nil || len(names) == 0 {
		return 0, err
	}
	d, err := s.disk(&s.sessions[shard], sessionFolder, shard, false)
	if err != nil {
		return 0, err
	}
	now := s.now()
	var t troubles
	var due []name
	flush := func() error {
		n, err := s.sweepBatch(ctx, shard, due)
		removed, due = removed+n, due[:0]
		return err
	}
	for _, n := range names {
		if err := store.CheckContext(ctx); err != nil {
			return removed, err
		}
		at, err := s.expires(d, n)
		if err != nil && !passed(err) {
			if err := t.note(err); err != nil {
				return removed, err
			}
		}
		if err != nil || at.After(now) {
			continue // what cannot be read stays
		}
		if due = append(due, n); len(due) == batch {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, errors.Join(t.first, flush())
}

// sweepBatch removes what is still expired. It does not wait for the disk: what a power
// cut brings back has expired all the same.
func (s *Store) sweepBatch(ctx context.Context, shard int, due []name) (removed int, err error) {
	if len(due) == 0 {
		return 0, nil
	}
	d, unlock, err := s.hold(ctx, shard, false)
	if err != nil {
		return 0, err
	}
	var t troubles
	defer func() { err = errors.Join(err, t.first, unlock()) }()
	for _, n := range due {
		w := &writer{s: s, d: d, n: n}
		r, err := w.live()
		if !errors.Is(err, store.ErrNotFound) || r == nil {
			continue
		}
		if err := d.Remove(string(n)); err != nil {
			if err := t.note(err); err != nil {
				return removed, err
			}
			continue
		}
		s.tell(s.leave(r.owner, n))
		removed++
	}
	return removed, nil
}

// sweeper is the goroutine that sweeps.
type sweeper struct {
	background.Sweeper
	owners atomic.Uint32 // the folder that was tidied last
}

// sweepInBackground is one sweep, and says that there will be another.
func (s *Store) sweepInBackground(ctx context.Context) error {
	if _, err := s.sweep(ctx); err != nil {
		return fmt.Errorf("file: the sweep failed, and is tried again: %w", err)
	}
	return nil
}
