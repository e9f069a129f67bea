package memory

import (
	"context"
	"iter"
	"maps"

	"github.com/sojourn-go/sojourn/store"
)

// batch is how many sessions are looked at under one lock: well under a
// millisecond of work.
const batch = 128

// List implements [store.Lister]. It holds no lock while it yields, and at most
// 128 sessions in memory.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		if err := store.CheckQuery(ctx, q); err != nil {
			yield(store.Listed{}, s.wrap("list", err))
			return
		}
		for i := range s.shards {
			if !s.listShard(ctx, &s.shards[i], q, yield) {
				return
			}
		}
	}
}

// listShard walks the shard's map with Go's own iterator, which goes on only
// while the lock is held: what is there throughout is met once, whatever comes
// and goes between two batches.
func (s *Store) listShard(ctx context.Context, sh *shard, q store.Query, yield func(store.Listed, error) bool) bool {
	sh.mu.RLock()
	closed := sh.sessions == nil
	sessions := sh.sessions
	if q.Owner != "" {
		sessions = sh.owners[q.Owner]
	}
	sh.mu.RUnlock()
	if closed {
		yield(store.Listed{}, s.wrap("list", store.ErrClosed))
		return false
	}
	if sessions == nil {
		return true
	}
	next, stop := iter.Pull2(maps.All(sessions))
	defer stop()
	found := make([]store.Listed, 0, min(batch, 8))
	for more := true; more; {
		if err := store.CheckContext(ctx); err != nil {
			yield(store.Listed{}, s.wrap("list", err))
			return false
		}
		found = found[:0]
		now := s.now()
		sh.mu.RLock()
		for range batch {
			var x *session
			if _, x, more = next(); !more {
				break
			}
			if x.deadline <= now {
				continue
			}
			l := store.Listed{ID: x.id, Entry: x.entry(now)}
			if !q.Data {
				l.Data = nil
			}
			found = append(found, l)
		}
		sh.mu.RUnlock()
		for _, l := range found {
			if !yield(l, nil) {
				return false
			}
		}
	}
	return true
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := store.CheckDeleteOwner(ctx, owner); err != nil {
		return 0, s.wrap("delete owner", err)
	}
	n, err := s.removeAll(ctx, func(sh *shard) map[string]*session { return sh.owners[owner] })
	return n, s.wrap("delete owner", err)
}

// Clear implements [store.Clearer].
func (s *Store) Clear(ctx context.Context) error {
	_, err := s.removeAll(ctx, func(sh *shard) map[string]*session { return sh.sessions })
	return s.wrap("clear", err)
}

// removeAll removes what is in the map that of returns, in batches, and returns
// how many of them were live.
func (s *Store) removeAll(ctx context.Context, of func(*shard) map[string]*session) (int, error) {
	live := 0
	for i := range s.shards {
		sh := &s.shards[i]
		for more := true; more; {
			if err := store.CheckContext(ctx); err != nil {
				return live, err
			}
			sh.mu.Lock()
			if sh.sessions == nil {
				sh.mu.Unlock()
				return live, store.ErrClosed
			}
			now, n := s.now(), 0
			for _, x := range of(sh) {
				if x.deadline > now {
					live++
				}
				s.remove(sh, x)
				if n++; n == batch {
					break
				}
			}
			sh.mu.Unlock()
			more = n == batch
		}
	}
	return live, nil
}

// Count implements [store.Counter]. It removes what has expired first, in
// batches, so that the moment in which all shards are counted together is short.
func (s *Store) Count(ctx context.Context) (int, error) {
	if _, err := s.Sweep(ctx); err != nil {
		return 0, s.wrap("count", err)
	}
	for i := range s.shards {
		s.shards[i].mu.RLock()
		defer s.shards[i].mu.RUnlock()
	}
	if s.closed.Load() {
		return 0, s.wrap("count", store.ErrClosed)
	}
	now, n := s.now(), 0
	for i := range s.shards {
		n += len(s.shards[i].heap) - s.shards[i].expired(0, now)
	}
	return n, nil
}

// expired counts the sessions of the heap from place i on that have expired. It
// looks at no more than these and their children.
func (sh *shard) expired(i int, now int64) int {
	if i >= len(sh.heap) || sh.heap[i].deadline > now {
		return 0
	}
	return 1 + sh.expired(2*i+1, now) + sh.expired(2*i+2, now)
}
