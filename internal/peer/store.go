package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// ErrEnded is what calls fail with when the process has ended, tested with errors.Is.
// A write that was under way is [store.ErrUnknown] too.
var ErrEnded = errors.New("the process has ended")

// Store is a store in another process. It is safe for use by many goroutines. What the
// store there cannot do is [errors.ErrUnsupported].
type Store struct {
	p     *Process
	calls chan call     // to the process
	quit  chan struct{} // closed by Close: no more calls
	ended chan struct{} // closed when the process has ended
	wg    sync.WaitGroup
	close func() error

	mu     sync.Mutex
	closed bool                   // by Close
	killed bool                   // by Kill
	last   uint64                 // number of a call
	waits  map[uint64]chan answer // who waits, by number
	why    error                  // the end of the process, once ended is closed
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

// Start has the function that [Main] was given open a store in a process of its own,
// with arg, and returns when it has. ctx is for that alone. What is open must be
// closed or killed.
func Start(ctx context.Context, arg string) (*Store, error) {
	if err := store.CheckContext(ctx); err != nil {
		return nil, fmt.Errorf("peer: start: %w", err)
	}
	p, err := start(context.Background(), job{Args: []string{arg}})
	if err != nil {
		return nil, err
	}
	opened := make(chan answer, 1)
	s := &Store{
		p: p, calls: make(chan call), quit: make(chan struct{}), ended: make(chan struct{}),
		waits: map[uint64]chan answer{0: opened},
	}
	s.close = sync.OnceValue(s.shut)
	s.wg.Go(s.read)
	s.wg.Go(s.write)
	select {
	case a := <-opened:
		s.forget(0)
		if err := a.Err.unpack(); err != nil {
			_ = s.Kill()
			return nil, fmt.Errorf("peer: open: %w", err)
		}
		return s, nil
	case <-s.ended:
		s.wg.Wait()
		return nil, fmt.Errorf("peer: start (does TestMain begin with peer.Main?): %w", s.why)
	case <-ctx.Done():
		_ = s.Kill()
		return nil, fmt.Errorf("peer: start: %w", store.CheckContext(ctx))
	}
}

// Pid is the number of the process.
func (s *Store) Pid() int { return s.p.Pid() }

// Kill ends the process with SIGKILL, and returns when it has ended.
func (s *Store) Kill() error {
	s.mu.Lock()
	s.killed = true
	s.mu.Unlock()
	if err := s.p.Kill(); err != nil {
		return err
	}
	s.wg.Wait()
	return nil
}

// Close closes the store in the process and waits for that to end; after 10 s it is
// killed, which is an error, as is a process that has ended badly. After Kill there is
// nothing to close.
func (s *Store) Close() error { return s.close() }

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	a, err := s.call(ctx, call{Verb: load, ID: id})
	return a.Entry, err
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	rec.Data = bytes.Clone(rec.Data) // it may be sent when this has returned
	a, err := s.call(ctx, call{Verb: create, ID: id, Record: rec, TTL: ttl})
	return a.Revision, err
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	rec.Data = bytes.Clone(rec.Data)
	a, err := s.call(ctx, call{Verb: update, ID: id, Record: rec, TTL: ttl, Base: base})
	return a.Revision, err
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	_, err := s.call(ctx, call{Verb: touch, ID: id, TTL: ttl})
	return err
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	_, err := s.call(ctx, call{Verb: remove, ID: id})
	return err
}

// List implements [store.Lister]. The process is at most 64 sessions ahead.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		c := call{Verb: list, Query: q}
		answers, err := s.begin(ctx, &c, window+1)
		if err != nil {
			yield(store.Listed{}, err)
			return
		}
		over := false
		defer func() {
			if !over {
				s.stop(c.N, answers)
			}
			s.forget(c.N)
		}()
		for n := 1; ; n++ {
			a, err := s.wait(ctx, &c, answers)
			if err == nil && a.Listed != nil {
				if !yield(*a.Listed, nil) {
					return
				}
				if n%(window/2) == 0 {
					s.tell(call{N: c.N, Verb: more}, ctx.Done())
				}
				continue
			}
			over = true
			if err != nil {
				yield(store.Listed{}, err)
			}
			return
		}
	}
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	a, err := s.call(ctx, call{Verb: removeOwner, Owner: owner})
	return a.Count, err
}

// Count implements [store.Counter].
func (s *Store) Count(ctx context.Context) (int, error) {
	a, err := s.call(ctx, call{Verb: count})
	return a.Count, err
}

// Clear implements [store.Clearer].
func (s *Store) Clear(ctx context.Context) error {
	_, err := s.call(ctx, call{Verb: clearAll})
	return err
}

// Sweep implements [store.Sweeper].
func (s *Store) Sweep(ctx context.Context) (int, error) {
	a, err := s.call(ctx, call{Verb: sweep})
	return a.Count, err
}

// Ping implements [store.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.call(ctx, call{Verb: ping})
	return err
}
