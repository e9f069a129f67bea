package memory

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	MaxSessions int              // at most so many sessions, then ErrFull; 0 is no limit
	MaxBytes    int64            // at most so many bytes of ids, owners and data together, then ErrFull; 0 is no limit
	MaxData     int              // at most so many bytes of data in one session, then ErrTooLarge; 0 is no limit
	Now         func() time.Time // the clock that judges lifetimes; nil is the monotonic clock
}

// Store keeps sessions in memory. It is safe for use by many goroutines.
type Store struct {
	opts   Options
	seed   maphash.Seed
	start  time.Time // deadlines count from here
	closed atomic.Bool

	sessions atomic.Int64 // physically there
	bytes    atomic.Int64 // of ids, owners and data; counted only under MaxBytes

	shards [shardCount]shard
}

// shardCount is far over the number of cores that wait for one another.
const shardCount = 64

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
	s.start = time.Now()
	if s.opts.Now != nil {
		s.start = s.opts.Now()
	}
	for i := range s.shards {
		s.shards[i].sessions = map[string]*session{}
		s.shards[i].owners = map[string]map[string]*session{}
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

func (s *Store) shard(id string) *shard {
	return &s.shards[maphash.String(s.seed, id)%shardCount]
}

// Load implements [store.Store]. It allocates nothing.
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := store.CheckLoad(ctx, id); err != nil {
		return store.Entry{}, s.wrap("load", err)
	}
	sh := s.shard(id)
	now := s.now()
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sh.sessions == nil {
		return store.Entry{}, s.wrap("load", store.ErrClosed)
	}
	x := sh.sessions[id]
	if x == nil || x.deadline <= now {
		return store.Entry{}, store.ErrNotFound
	}
	return x.entry(now), nil
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := store.CheckCreate(ctx, id, rec, ttl, s.opts.MaxData); err != nil {
		return 0, s.wrap("create", err)
	}
	x := &session{data: bytes.Clone(rec.Data), owner: rec.Owner, revision: store.NewRevision()}
	for {
		rev, err := s.create(id, x, ttl)
		if err != store.ErrFull || s.sweepForRoom() == 0 {
			return rev, s.wrap("create", err)
		}
	}
}

func (s *Store) create(id string, x *session, ttl time.Duration) (store.Revision, error) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions == nil {
		return 0, store.ErrClosed
	}
	now := s.now()
	if old := sh.sessions[id]; old != nil {
		if old.deadline > now {
			return 0, store.ErrExists
		}
		s.remove(sh, old)
	}
	s.removeExpired(sh, now, 2)
	if !s.reserve(1, x.size(id)) {
		return 0, store.ErrFull
	}
	x.id, x.deadline = id, after(now, ttl)
	sh.add(x)
	return x.revision, nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.MaxData); err != nil {
		return 0, s.wrap("update", err)
	}
	data, rev := bytes.Clone(rec.Data), store.NewRevision()
	for {
		err := s.update(id, data, rec.Owner, ttl, base, rev)
		if err == nil {
			return rev, nil
		}
		if err != store.ErrFull || s.sweepForRoom() == 0 {
			return 0, s.wrap("update", err)
		}
	}
}

func (s *Store) update(id string, data []byte, owner string, ttl time.Duration, base, rev store.Revision) error {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.now()
	x, err := sh.live(id, now)
	if err != nil {
		return err
	}
	if x.revision != base {
		return store.ErrConflict
	}
	if !s.reserve(0, int64(len(data)+len(owner)-len(x.data)-len(x.owner))) {
		return store.ErrFull
	}
	if owner != x.owner {
		sh.disown(x)
		x.owner = owner
		sh.own(x)
	}
	x.data, x.revision = data, rev
	sh.expire(x, after(now, ttl))
	return nil
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := store.CheckTouch(ctx, id, ttl); err != nil {
		return s.wrap("touch", err)
	}
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.now()
	x, err := sh.live(id, now)
	if err != nil {
		return s.wrap("touch", err)
	}
	sh.expire(x, after(now, ttl))
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := store.CheckDelete(ctx, id); err != nil {
		return s.wrap("delete", err)
	}
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions == nil {
		return s.wrap("delete", store.ErrClosed)
	}
	if x := sh.sessions[id]; x != nil {
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
		sh.mu.Lock()
		sh.sessions, sh.owners, sh.heap = nil, nil, nil
		sh.mu.Unlock()
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

// reserve counts sessions and bytes, unless that would exceed a limit.
func (s *Store) reserve(sessions, bytes int64) bool {
	if !grow(&s.sessions, sessions, int64(s.opts.MaxSessions)) {
		return false
	}
	if s.opts.MaxBytes > 0 && !grow(&s.bytes, bytes, s.opts.MaxBytes) {
		s.sessions.Add(-sessions)
		return false
	}
	return true
}

func grow(counter *atomic.Int64, by, limit int64) bool {
	for {
		n := counter.Load()
		if by > 0 && limit > 0 && n+by > limit {
			return false
		}
		if counter.CompareAndSwap(n, n+by) {
			return true
		}
	}
}

// Each shard's counters and lock fill cache lines of their own.
type shard struct {
	mu       sync.RWMutex
	sessions map[string]*session            // nil: closed
	owners   map[string]map[string]*session // owner to id to session
	heap     []*session                     // the one that expires first is first
	_        [64]byte
}
