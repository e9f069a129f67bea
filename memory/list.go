package memory

import (
	"context"
	"iter"

	"github.com/sojourn-go/sojourn/store"
)

// page is how many sessions a listing reads under one lock, see batch.
const page = 16

// List implements [store.Lister]. It holds no lock while it yields, and at most
// 16 sessions in memory. It remembers 8 bytes for each that it has still to look
// at in a shard, a 64th of the store.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		if err := store.CheckQuery(ctx, q); err != nil {
			yield(store.Listed{}, s.wrap("list", err))
			return
		}
		found := make([]store.Listed, 0, 8)
		for i := range s.shards {
			sh := &s.shards[i]
			for rest := s.asked(sh, q); ; {
				if err := store.CheckContext(ctx); err != nil {
					yield(store.Listed{}, s.wrap("list", err))
					return
				}
				n := min(page, len(rest))
				var err error
				if found, err = s.read(sh, rest[:n], q, found[:0]); err != nil {
					yield(store.Listed{}, s.wrap("list", err))
					return
				}
				for _, l := range found {
					if !yield(l, nil) {
						return
					}
				}
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
		}
	}
}

// asked returns the sessions of the shard that q asks for, expired or not. They
// are pointers: who is in it is known from then on, whatever comes and goes until
// it is read, and what is created later is not listed.
func (s *Store) asked(sh *shard, q store.Query) []*session {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if q.Owner == "" {
		all := make([]*session, len(sh.heap))
		for i := range sh.heap {
			all[i] = sh.heap[i].session
		}
		return all
	}
	var owned []*session
	for x := s.firstOwned(sh, q.Owner); x != nil; x = x.ownNext {
		if x.owner() == q.Owner {
			owned = append(owned, x)
		}
	}
	return owned
}

// read appends those of the sessions to found that are still there, and still
// whose they were.
func (s *Store) read(sh *shard, sessions []*session, q store.Query, found []store.Listed) ([]store.Listed, error) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sh.closed {
		return nil, store.ErrClosed
	}
	now := s.now()
	for _, x := range sessions {
		if x.place == gone || x.deadline <= now || q.Owner != "" && x.owner() != q.Owner {
			continue
		}
		l := store.Listed{ID: x.id(), Entry: x.entry(now)}
		if !q.Data {
			l.Data = nil
		}
		found = append(found, l)
	}
	return found, nil
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := store.CheckDeleteOwner(ctx, owner); err != nil {
		return 0, s.wrap("delete owner", err)
	}
	n, err := s.removeAll(ctx, func(sh *shard) *session {
		x := s.firstOwned(sh, owner)
		for x != nil && x.owner() != owner {
			x = x.ownNext
		}
		return x
	})
	return n, s.wrap("delete owner", err)
}

// Clear implements [store.Clearer].
func (s *Store) Clear(ctx context.Context) error {
	_, err := s.removeAll(ctx, func(sh *shard) *session {
		if len(sh.heap) == 0 {
			return nil
		}
		return sh.heap[len(sh.heap)-1].session // whose place nobody has to take
	})
	return s.wrap("clear", err)
}

// removeAll removes what next finds, in batches, and returns how many of them
// were live.
func (s *Store) removeAll(ctx context.Context, next func(*shard) *session) (int, error) {
	live := 0
	for i := range s.shards {
		for more := true; more; {
			if err := store.CheckContext(ctx); err != nil {
				return live, err
			}
			n, all, err := s.removeBatch(&s.shards[i], next)
			if err != nil {
				return live, err
			}
			live += n
			more = !all
		}
	}
	return live, nil
}

// removeBatch returns how many live ones it removed, and whether that was all.
func (s *Store) removeBatch(sh *shard, next func(*shard) *session) (live int, all bool, err error) {
	s.lock(sh)
	defer s.unlock(sh)
	if sh.closed {
		return 0, false, store.ErrClosed
	}
	now := s.now()
	for range batch {
		x := next(sh)
		if x == nil {
			return live, true, nil
		}
		if x.deadline > now {
			live++
		}
		s.remove(sh, x)
	}
	return live, false, nil
}

// Count implements [store.Counter].
func (s *Store) Count(ctx context.Context) (int, error) {
	for {
		// What has expired goes first, in batches: the moment in which all
		// shards are counted together is short if there are few of them left.
		if _, err := s.Sweep(ctx); err != nil {
			return 0, s.wrap("count", err)
		}
		n, ok := s.count()
		if s.closed.Load() {
			return 0, s.wrap("count", store.ErrClosed)
		}
		if ok {
			return n, nil
		}
	}
}

// count counts the live sessions of all shards at one moment, unless there are so
// many expired ones that it would take long.
func (s *Store) count() (int, bool) {
	for i := range s.shards {
		s.shards[i].mu.RLock()
		defer s.shards[i].mu.RUnlock()
	}
	const most = 1024
	now, n, looked := s.now(), 0, 0
	for i := range s.shards {
		h := s.shards[i].heap
		expired, seen := h.expired(0, now, most-looked)
		n += len(h) - expired
		if looked += seen; looked > most {
			return 0, false
		}
	}
	return n, true
}
