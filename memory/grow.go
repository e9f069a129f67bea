package memory

import "errors"

// errCramped is what create returns where an array of the shard has no room.
var errCramped = errors.New("an array must grow")

// large is how long an array may be to grow under the lock. An allocation may have
// to work for the collector first, the longer the larger it is: for a few hundred
// kilobytes it took milliseconds.
const large = 1024

// cramped reports whether one session more would make a large array grow. The
// caller holds the lock.
func (sh *shard) cramped() bool {
	return cramped(sh.heap) || cramped(sh.ids.buckets) || cramped(sh.owners.buckets)
}

// widen gives the shard's arrays room. They are allocated without the lock, and
// only copied with it.
func (s *Store) widen(sh *shard) {
	s.lock(sh)
	heap, ids, owners := sh.heap, sh.ids.buckets, sh.owners.buckets // to look at their lengths
	s.unlock(sh)
	heap, ids, owners = wider(heap), wider(ids), wider(owners)
	s.lock(sh)
	defer s.unlock(sh)
	sh.heap = move(sh.heap, heap)
	sh.ids.buckets = move(sh.ids.buckets, ids)
	sh.owners.buckets = move(sh.owners.buckets, owners)
}

func cramped[T any](a []T) bool { return len(a) == cap(a) && len(a) >= large }

func wider[T any](a []T) []T {
	if !cramped(a) {
		return nil
	}
	return make([]T, 0, len(a)+len(a)/4)
}

// move moves a, which others may have changed meanwhile, to where it has more room.
func move[T any](a, to []T) []T {
	if cap(to) <= cap(a) || !cramped(a) {
		return a
	}
	return append(to, a...)
}
