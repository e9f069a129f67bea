package memory

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	MaxSessions int              // at most so many sessions, then ErrFull; 0 is no limit
	MaxBytes    int64            // at most so many bytes of ids, owners and data together, then ErrFull; 0 is no limit
	MaxData     int              // at most so many bytes of data in one session, then ErrTooLarge; 0 is no limit
	Now         func() time.Time // the clock that judges lifetimes, which must not call the store; nil is the monotonic clock
}

// Store keeps sessions in memory. It is safe for use by many goroutines.
type Store struct {
	opts   Options
	seed   maphash.Seed
	start  time.Time // deadlines count from here
	closed atomic.Bool
	room   room

	// watch, if set, is called when a call that may write has taken a lock and
	// before it gives it back, with the number of sessions under it. Only tests
	// set it.
	watch func(locked bool, sessions int)

	shards [shardCount]shard
}

// shardCount is far over the number of cores that wait for one another.
const shardCount = 64

// Each shard's lock and what it guards fill cache lines of their own.
type shard struct {
	mu     lock
	closed bool
	ids    ids
	owners owners
	heap   heap

	first atomic.Int64 // when the heap's first is due, to be read without the lock; kept under limits only

	_ [64]byte
}

// lock takes the lock of a shard for a call that may write.
func (s *Store) lock(sh *shard) {
	sh.mu.Lock()
	if s.watch != nil {
		s.watch(true, len(sh.heap))
	}
}

func (s *Store) unlock(sh *shard) {
	if s.room.limited() {
		first := int64(math.MaxInt64)
		if len(sh.heap) > 0 {
			first = sh.heap[0].at
		}
		if first != sh.first.Load() {
			sh.first.Store(first)
		}
	}
	if s.watch != nil {
		s.watch(false, len(sh.heap))
	}
	sh.mu.Unlock()
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Sweeper      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
)

// New returns an empty store. A nil opts is the default.
func New(opts *Options) *Store {
	s := &Store{seed: maphash.MakeSeed()}
	if opts != nil {
		s.opts = *opts
	}
	s.room.maxSessions, s.room.maxBytes = int64(s.opts.MaxSessions), s.opts.MaxBytes
	s.start = time.Now()
	if s.opts.Now != nil {
		s.start = s.opts.Now()
	}
	for i := range s.shards {
		s.shards[i].first.Store(math.MaxInt64)
	}
	return s
}

// now is the time since start.
func (s *Store) now() int64 {
	if s.opts.Now != nil {
		return int64(s.opts.Now().Sub(s.start))
	}
	return int64(time.Since(s.start))
}

// after returns the deadline ttl from now; one beyond the clock's end is its end.
func after(now int64, ttl time.Duration) int64 {
	if now > math.MaxInt64-int64(ttl) {
		return math.MaxInt64
	}
	return now + int64(ttl)
}

func (s *Store) shard(id string) (uint64, *shard) {
	hash := maphash.String(s.seed, id)
	return hash, &s.shards[hash%shardCount]
}

// Load implements [store.Store]. It allocates nothing.
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	// What is there under an id shows that it is one: only a miss needs the check.
	if ctx.Err() == nil {
		hash, sh := s.shard(id)
		sh.mu.RLock()
		if x := sh.ids.find(hash, id); x != nil {
			// The clock is read under the lock: before it, a writer who came in
			// between would make TTL longer than the ttl that he asked for.
			if now := s.now(); x.deadline > now {
				e := x.entry(now)
				sh.mu.RUnlock()
				return e, nil
			}
		}
		sh.mu.RUnlock()
	}
	err := store.CheckLoad(ctx, id)
	if err == nil {
		err = store.ErrNotFound
	}
	return store.Entry{}, s.wrap("load", err)
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := store.CheckCreate(ctx, id, rec, ttl, s.opts.MaxData); err != nil {
		return 0, s.wrap("create", err)
	}
	hash, sh := s.shard(id)
	rev := store.NewRevision()
	x := &session{
		text:     textOf(id, rec.Owner),
		data:     own(rec.Data),
		hash:     hash,
		revision: rev,
		idLen:    uint8(len(id)),
	}
	for {
		err := s.create(sh, x, ttl)
		switch {
		case err == nil:
			return rev, nil // x is others' now
		case err == errCramped:
			s.widen(sh)
		case err != store.ErrFull || !s.makeRoom():
			return 0, s.wrap("create", err)
		}
	}
}

func (s *Store) create(sh *shard, x *session, ttl time.Duration) error {
	s.lock(sh)
	defer s.unlock(sh)
	if sh.closed {
		return store.ErrClosed
	}
	now := s.now()
	if old := sh.ids.find(x.hash, x.id()); old != nil {
		if old.deadline > now {
			return store.ErrExists
		}
		s.remove(sh, old)
	}
	s.tidy(sh, now, batch)
	if sh.cramped() {
		return errCramped
	}
	if !s.room.take(1, x.size()) {
		return store.ErrFull
	}
	x.deadline = after(now, ttl)
	s.add(sh, x)
	return nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.MaxData); err != nil {
		return 0, s.wrap("update", err)
	}
	data, rev := own(rec.Data), store.NewRevision()
	for {
		err := s.update(id, data, rec.Owner, ttl, base, rev)
		if err == nil {
			return rev, nil
		}
		if err != store.ErrFull || !s.makeRoom() {
			return 0, s.wrap("update", err)
		}
	}
}

func (s *Store) update(id string, data []byte, owner string, ttl time.Duration, base, rev store.Revision) error {
	hash, sh := s.shard(id)
	s.lock(sh)
	defer s.unlock(sh)
	now := s.now()
	x, err := sh.live(hash, id, now)
	if err != nil {
		return err
	}
	if x.revision != base {
		return store.ErrConflict
	}
	if !s.room.take(0, int64(len(id)+len(owner)+len(data))-x.size()) {
		return store.ErrFull
	}
	if owner != x.owner() {
		s.removeOwned(sh, x)
		x.text = textOf(id, owner)
		s.addOwned(sh, x)
	}
	x.data, x.revision = data, rev
	sh.heap.expire(x, after(now, ttl))
	s.tidy(sh, now, 1)
	return nil
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := store.CheckTouch(ctx, id, ttl); err != nil {
		return s.wrap("touch", err)
	}
	return s.wrap("touch", s.touch(id, ttl))
}

func (s *Store) touch(id string, ttl time.Duration) error {
	hash, sh := s.shard(id)
	s.lock(sh)
	defer s.unlock(sh)
	now := s.now()
	x, err := sh.live(hash, id, now)
	if err != nil {
		return err
	}
	sh.heap.expire(x, after(now, ttl))
	s.tidy(sh, now, 1)
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := store.CheckDelete(ctx, id); err != nil {
		return s.wrap("delete", err)
	}
	return s.wrap("delete", s.delete(id))
}

func (s *Store) delete(id string) error {
	hash, sh := s.shard(id)
	s.lock(sh)
	defer s.unlock(sh)
	if sh.closed {
		return store.ErrClosed
	}
	if x := sh.ids.find(hash, id); x != nil {
		s.remove(sh, x)
	}
	return nil
}

// Ping implements [store.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	if err := store.CheckContext(ctx); err != nil {
		return s.wrap("ping", err)
	}
	if s.closed.Load() {
		return s.wrap("ping", store.ErrClosed)
	}
	return nil
}

// Close forgets all sessions. Afterwards every call returns [store.ErrClosed].
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	for i := range s.shards {
		sh := &s.shards[i]
		s.lock(sh)
		sh.closed, sh.ids, sh.owners, sh.heap = true, ids{}, owners{}, nil
		s.unlock(sh)
	}
	return nil
}

// wrap says what was being done. A closed store says so before anything else,
// and a missing session is common enough to be told without an allocation.
func (s *Store) wrap(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		err = store.ErrClosed
	case err == store.ErrNotFound:
		return err
	}
	return fmt.Errorf("memory: %s: %w", verb, err)
}
