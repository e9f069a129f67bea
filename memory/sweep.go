package memory

import (
	"context"

	"github.com/sojourn-go/sojourn/store"
)

// batch is how many sessions are looked at or removed under one lock: about a
// microsecond's work. Who waits no longer than that for a [sync.Mutex] spins and
// goes on at once; beyond it he is put to sleep, and to wake up takes 20 to 1,000.
const batch = 2

// Sweep implements [store.Sweeper]. Nobody needs to call it where sessions are
// created, updated or touched: these remove what has expired.
//
// It takes one batch of each shard in turn: who waits for a lock gets it long
// before Sweep comes back to it.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	total := 0
	var done [shardCount]bool
	for left := shardCount; left > 0; {
		for i := range s.shards {
			if done[i] {
				continue
			}
			if err := store.CheckContext(ctx); err != nil {
				return total, s.wrap("sweep", err)
			}
			n, all, err := s.sweep(&s.shards[i])
			if err != nil {
				return total, s.wrap("sweep", err)
			}
			total += n
			if all {
				done[i] = true
				left--
			}
		}
	}
	return total, nil
}

// sweep removes a batch of the shard's expired sessions. It returns how many, and
// whether that was all.
func (s *Store) sweep(sh *shard) (removed int, all bool, err error) {
	s.lock(sh)
	defer s.unlock(sh)
	if sh.closed {
		return 0, false, store.ErrClosed
	}
	removed, all = s.tidy(sh, s.now(), batch)
	return removed, all, nil
}

// makeRoom removes a few expired sessions of any shard, for a store that is at its
// limit: nobody may be turned away for the sake of the dead. It returns false if
// there are none. A store that is full of the living finds that out without a
// lock, so that those whom it turns away hinder nobody.
func (s *Store) makeRoom() bool {
	now := s.now()
	for i := range s.shards {
		for sh := &s.shards[i]; sh.first.Load() <= now; {
			if n, _, err := s.sweep(sh); n > 0 || err != nil {
				return err == nil
			}
		}
	}
	return false
}
