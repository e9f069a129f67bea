package memory

import "fmt"

// Rows is how many sessions are physically there, expired or not.
func Rows(s *Store) int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += len(s.shards[i].heap)
		s.shards[i].mu.Unlock()
	}
	return n
}

// Watch has f called when a call that may write has taken a lock and before it
// gives it back, with the number of sessions under it. To be set before any call.
func Watch(s *Store, f func(locked bool, sessions int)) { s.watch = f }

// Check reports what is wrong with the store's bookkeeping, at one moment.
func Check(s *Store) error {
	var sessions, bytes int64
	for i := range s.shards {
		s.shards[i].mu.Lock()
		defer s.shards[i].mu.Unlock()
	}
	for i := range s.shards {
		sh := &s.shards[i]
		for _, d := range sh.heap {
			sessions, bytes = sessions+1, bytes+d.size()
		}
		if err := s.checkShard(sh); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	if s.room.limited() && (s.room.sessions != sessions || s.room.bytes != bytes) {
		return fmt.Errorf("%d sessions of %d bytes, counted %d of %d", sessions, bytes, s.room.sessions, s.room.bytes)
	}
	return nil
}

func (s *Store) checkShard(sh *shard) error {
	owned := 0
	for i, d := range sh.heap {
		switch {
		case int(d.place) != i:
			return fmt.Errorf("a session at %d of the heap says %d", i, d.place)
		case d.at > d.deadline:
			return fmt.Errorf("a session is due after it expires")
		case i > 0 && sh.heap[(i-1)/children].at > d.at:
			return fmt.Errorf("the heap is out of order at %d", i)
		case sh.ids.find(d.hash, d.id()) != d.session:
			return fmt.Errorf("a session of the heap is not found by its id")
		case len(d.data) != cap(d.data):
			return fmt.Errorf("data with room after its end")
		}
		if d.owner() == "" {
			continue
		}
		owned++
		x := s.firstOwned(sh, d.owner())
		for x != nil && x != d.session {
			if next := x.ownNext; next != nil && next.ownBefore != x {
				return fmt.Errorf("an owner's chain does not lead back")
			}
			x = x.ownNext
		}
		if x == nil {
			return fmt.Errorf("a session is not found by its owner")
		}
	}
	inIDs, inOwners := 0, 0
	for _, x := range sh.ids.buckets {
		for ; x != nil; x = x.next {
			inIDs++
		}
	}
	for _, x := range sh.owners.buckets {
		for ; x != nil; x = x.ownNext {
			inOwners++
		}
	}
	if n := len(sh.heap); inIDs != n || sh.ids.n != n || inOwners != owned || sh.owners.n != owned {
		return fmt.Errorf("%d sessions, %d with an owner; the indexes hold %d and %d and count %d and %d",
			n, owned, inIDs, inOwners, sh.ids.n, sh.owners.n)
	}
	if len(sh.heap) == 0 && cap(sh.heap) > 1024 {
		return fmt.Errorf("empty, with room for %d", cap(sh.heap))
	}
	return nil
}
