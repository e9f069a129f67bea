package memory

import (
	"context"

	"github.com/sojourn-go/sojourn/store"
)

// Sweep implements [store.Sweeper]. Nobody needs to call it: Create removes what
// has expired, two at a time.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	for i := range s.shards {
		for n := batch; n == batch; total += n {
			if err := store.CheckContext(ctx); err != nil {
				return total, s.wrap("sweep", err)
			}
			sh := &s.shards[i]
			sh.mu.Lock()
			if sh.sessions == nil {
				sh.mu.Unlock()
				return total, s.wrap("sweep", store.ErrClosed)
			}
			n = s.removeExpired(sh, s.now(), batch)
			sh.mu.Unlock()
		}
	}
	return total, nil
}

// sweepForRoom removes a few expired sessions of any shard, for a store that is
// at its limit: nobody may be turned away for the sake of the dead. It returns
// how many.
func (s *Store) sweepForRoom() int {
	total := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		total += s.removeExpired(sh, s.now(), batch)
		sh.mu.Unlock()
	}
	return total
}
