package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	// Durability is what a write survives that has returned.
	Durability Durability

	// Timeout is the longest that a call waits for another process to be done with the
	// same folder. 0 is 2 seconds; negative is off, so that only the context counts.
	Timeout time.Duration

	// MaxData is how many bytes of data a session may have; more is ErrTooLarge. 0 is 16
	// MiB; negative is the most that there can be, 1 GiB.
	MaxData int

	// SweepEvery is how often what has expired is removed, at 0.5 to 1.5 times by
	// chance. 0 is 5 minutes; negative is never, and then call [Store.Sweep].
	SweepEvery time.Duration

	// OnError is told what goes wrong where no caller hears of it: a sweep that failed,
	// and, once for each, a file that cannot be read. It may be called while a folder is
	// locked, so it must not use the store. nil tells nobody.
	OnError func(error)

	// Now is the clock that judges lifetimes, which must be the same for all processes
	// on the folder. nil is time.Now.
	Now func() time.Time
}

// Durability is what a write survives that has returned.
type Durability int

// The levels of durability.
const (
	Synced Durability = iota // a power cut, if the disk does what it says
	Atomic                   // an end of the process; after a power cut a session may be the one before, gone, or one that cannot be read
)

// String is "synced" or "atomic", as in a URL.
func (d Durability) String() string {
	switch d {
	case Synced:
		return "synced"
	case Atomic:
		return "atomic"
	}
	return fmt.Sprintf("Durability(%d)", int(d))
}

func (o *Options) timeout() time.Duration {
	switch {
	case o.Timeout == 0:
		return 2 * time.Second
	case o.Timeout < 0:
		return 0
	}
	return o.Timeout
}

func (o *Options) maxData() int {
	switch {
	case o.MaxData == 0:
		return 16 << 20
	case o.MaxData < 0:
		return 1 << 30
	}
	return min(o.MaxData, 1<<30)
}

// Store keeps sessions in files. It is safe for use by many goroutines, and by several
// processes on one folder where the system has locks (see the package documentation).
type Store struct {
	opts     Options
	root     disk
	sessions [256]folder
	owners   [256]folder
	told     told
	closed   atomic.Bool
	calls    sync.RWMutex // held for reading by each call, so that Close waits for them
	sweeper  sweeper
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Sweeper      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
	_ io.Closer          = (*Store)(nil)
)

// name is what a session's file is called: a digest, so that no id is a path (SEC-25).
type name string

func nameOf(id string) name {
	sum := sha256.Sum256([]byte(id))
	return name(hex.EncodeToString(sum[:]))
}

const nameLen = 2 * sha256.Size

// shard is the folder that a name is in.
func (n name) shard() int {
	b, _ := hex.DecodeString(string(n[:2])) // of our own making
	return int(b[0])
}

func (s *Store) now() time.Time {
	if s.opts.Now != nil {
		return s.opts.Now()
	}
	return time.Now()
}

// deadline is ttl from now, or the end of what can be stored.
func deadline(now time.Time, ttl time.Duration) time.Time {
	last := time.Unix(0, 1<<63-1)
	if ttl > last.Sub(now) {
		return last
	}
	return now.Add(ttl)
}

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := s.begin(store.CheckLoad(ctx, id)); err != nil {
		return store.Entry{}, s.wrap("load", err)
	}
	defer s.calls.RUnlock()
	n := nameOf(id)
	f := &s.sessions[n.shard()]
	d, err := s.disk(f, sessionFolder, n.shard(), false)
	if err != nil {
		return store.Entry{}, s.wrap("load", missing(err))
	}
	r, err := s.read(d, n)
	if errors.Is(err, store.ErrNotFound) && d.Gone() {
		if d, err = s.present(f, sessionFolder, n.shard(), false); err == nil {
			r, err = s.read(d, n)
		}
	}
	if err != nil {
		return store.Entry{}, s.wrap("load", missing(err))
	}
	left := r.deadline.Sub(s.now())
	if left <= 0 {
		return store.Entry{}, s.wrap("load", store.ErrNotFound)
	}
	return r.entry(left), nil
}

func (r *record) entry(left time.Duration) store.Entry {
	return store.Entry{Record: store.Record{Data: r.data, Owner: r.owner}, Revision: r.revision, TTL: left}
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	rev := store.NewRevision()
	err := s.write(ctx, id, true, store.CheckCreate(ctx, id, rec, ttl, s.opts.maxData()), func(w *writer) error {
		old, err := w.live()
		switch {
		case err == nil:
			return store.ErrExists
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return w.replace(old, &record{id: id, owner: rec.Owner, data: rec.Data, revision: rev, deadline: deadline(s.now(), ttl)})
	})
	if err != nil {
		return 0, s.wrap("create", err)
	}
	return rev, nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	rev := store.NewRevision()
	err := s.write(ctx, id, false, store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.maxData()), func(w *writer) error {
		old, err := w.live()
		if err != nil {
			return err
		}
		if old.revision != base {
			return store.ErrConflict
		}
		return w.replace(old, &record{id: id, owner: rec.Owner, data: rec.Data, revision: rev, deadline: deadline(s.now(), ttl)})
	})
	if err != nil {
		return 0, s.wrap("update", err)
	}
	return rev, nil
}

// Touch implements [store.Store]. It writes the deadline in place, and waits for the disk
// only where the life is made shorter: what a power cut takes of it is a longer life.
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	return s.wrap("touch", s.write(ctx, id, false, store.CheckTouch(ctx, id, ttl), func(w *writer) error {
		old, err := w.live()
		if err != nil {
			return err
		}
		return w.touch(old, deadline(s.now(), ttl))
	}))
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.wrap("delete", s.write(ctx, id, false, store.CheckDelete(ctx, id), func(w *writer) error {
		old, err := w.read()
		if errors.Is(err, store.ErrNotFound) {
			return w.sync() // who removed it may have died before it was synced
		}
		return w.remove(old) // also what cannot be read
	}))
}

// Ping implements [store.Pinger]: the folder is there, and can be written to.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.begin(store.CheckContext(ctx)); err != nil {
		return s.wrap("ping", err)
	}
	defer s.calls.RUnlock()
	return s.wrap("ping", s.probe())
}

// Close ends the sweeper, waits for the calls that are under way, and closes the
// folders. Afterwards every call returns [store.ErrClosed].
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.sweeper.End()
	s.calls.Lock()
	defer s.calls.Unlock()
	var errs []error
	for _, all := range []*[256]folder{&s.sessions, &s.owners} {
		for i := range all {
			errs = append(errs, all[i].close())
		}
	}
	errs = append(errs, s.root.Close())
	return s.wrap("close", errors.Join(errs...))
}

// begin is the beginning of each call that is not refused; its end is
// s.calls.RUnlock.
func (s *Store) begin(refused error) error {
	if refused != nil {
		return refused
	}
	if !s.calls.TryRLock() { // only Close has it
		return store.ErrClosed
	}
	if s.closed.Load() {
		s.calls.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// missing makes of a folder that is not there a session that is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return store.ErrNotFound
	}
	return err
}

// wrap says what was being done.
func (s *Store) wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	if full(err) && !errors.Is(err, store.ErrUnknown) {
		err = fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return fmt.Errorf("file: %s: %w", verb, err)
}
