package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// maxTries is how often a save meets a conflict before it gives up. Requests of
// one process queue after their first, so that a conflict after that is with
// another process, or with a request that has only just come.
const maxTries = 40

// Save saves what the request has changed so far, for a handler that must know
// before it answers. The rest is saved when the response begins, as everything is
// without it.
//
// It returns [ErrGone] if the session has ended meanwhile, [ErrCommitted], or the
// store's error. Then nothing of what was changed since the last save is stored, or
// all of it: most errors, such as a time-out, leave that open. To save it again
// could count it twice, so after them the session takes no change and no save any
// more, and the answer is that of [Options.OnError]. After [store.ErrTooLarge] and
// [store.ErrFull] nothing is stored, and Save may be called again.
func (s *Session) Save() error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	return s.save(false)
}

// commit is the last save of the request.
func (s *Session) commit() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	s.closed = true
	gone, unsure := s.gone, s.unsure
	s.mu.Unlock()
	if gone {
		return nil // whoever changed the session was told
	}
	if unsure != nil {
		return unsure
	}
	if err := s.save(true); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// save writes the pending changes. The caller holds write.
func (s *Session) save(last bool) error {
	next, changed := changes(&s.base, s.ops)
	touch := !changed && last && s.touchDue()
	if !changed && !touch {
		return nil
	}
	ctx, cancel := s.scope.m.storeContext(s.scope)
	defer cancel()
	var err error
	switch {
	case touch:
		s.touch(ctx)
	case s.key == "":
		err = s.create(ctx, next)
	default:
		err = s.update(ctx, func() (record, bool) { return changes(&s.base, s.ops) }, func([]op) []op { return nil })
	}
	if w, ok := errors.AsType[*writeError](err); ok && w.unsure() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unsure = err
	}
	return err
}

// writeError is the error of a write, as against one that came before it.
type writeError struct {
	verb string
	err  error
}

func (e *writeError) Error() string { return "session: " + e.verb + ": " + e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// unsure reports whether the write may have been made: the others are the store's
// own refusals.
func (e *writeError) unsure() bool {
	for _, refusal := range []error{store.ErrConflict, store.ErrTooLarge, store.ErrFull, store.ErrInvalid, store.ErrCorrupt} {
		if errors.Is(e.err, refusal) {
			return false
		}
	}
	return true
}

// changes returns the record after ops, and whether it differs from base.
func changes(base *record, ops []op) (next record, changed bool) {
	for i := range ops {
		o := &ops[i]
		if old := base.get(o.key); (old == nil) == (o.json == nil) && bytes.Equal(old, o.json) {
			continue
		}
		if slices.ContainsFunc(ops[i+1:], func(later op) bool { return later.key == o.key }) {
			continue // what the last one left is what counts
		}
		if !changed {
			next, changed = base.clone(), true
		}
		next.set(o.key, o.json)
	}
	return next, changed
}

// redo makes the changes again, on another base.
func redo(base *record, ops []op) ([]op, error) {
	ops = slices.Clone(ops) // who reads meanwhile has the old ones
	for i := range ops {
		if ops[i].change == nil {
			continue
		}
		json, err := ops[i].change(view(base, ops[:i], ops[i].key))
		if err != nil {
			return nil, err
		}
		ops[i].json = json
	}
	return ops, nil
}

func (s *Session) create(ctx context.Context, next record) error {
	m := s.scope.m
	ttl := m.life(&next)
	if ttl <= 0 {
		return ErrGone // the request took longer than a session may live
	}
	i := newID()
	key := i.key()
	rev, err := m.store.Create(ctx, key, store.Record{Data: next.encode(), Owner: s.owner}, ttl)
	if err != nil {
		return &writeError{"create", err}
	}
	s.mu.Lock()
	s.key, s.cookie = key, cookieChange{set: i, isSet: true}
	s.saved(next, rev, ttl, nil)
	s.mu.Unlock()
	s.scope.tell(Created, nil)
	return nil
}

// saved takes over what was written. The caller holds mu.
func (s *Session) saved(next record, rev store.Revision, ttl time.Duration, ops []op) {
	s.base, s.rev, s.ttl, s.read, s.ops = next, rev, ttl, s.scope.m.now(), ops
}

// update writes what plan makes of the record that is there. After a conflict it
// reads what is there now, and plans anew; if nothing is left to change, it is done.
// Then rest are the changes that are still pending.
func (s *Session) update(ctx context.Context, plan func() (next record, changed bool), rest func([]op) []op) error {
	m := s.scope.m
	for try := 1; ; try++ {
		next, changed := plan()
		if !changed {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ops = rest(s.ops)
			return nil
		}
		ttl := m.life(&next)
		if ttl <= 0 {
			return s.end()
		}
		rev, err := m.store.Update(ctx, s.key, store.Record{Data: next.encode(), Owner: s.owner}, ttl, s.rev)
		switch {
		case err == nil:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.saved(next, rev, ttl, rest(s.ops))
			return nil
		case errors.Is(err, store.ErrNotFound):
			return s.end()
		case !errors.Is(err, store.ErrConflict) || try == maxTries:
			return &writeError{"update", err}
		}
		s.scope.tell(Conflict, nil)
		if err := s.wait(ctx, try); err != nil {
			return fmt.Errorf("session: update: %w: %w", err, store.ErrConflict)
		}
		if try == 1 {
			defer s.leave()
		}
		if err := s.reload(ctx); err != nil {
			return err
		}
	}
}

// reload reads what another request has left, and makes the changes again on it.
func (s *Session) reload(ctx context.Context) error {
	e, err := s.scope.m.store.Load(ctx, s.key)
	if errors.Is(err, store.ErrNotFound) {
		return s.end()
	}
	if err != nil {
		return fmt.Errorf("session: load: %w", err)
	}
	rec, err := decode(e.Data)
	if err != nil {
		return err
	}
	// Base and changes go together: if a function of Update fails here, or panics,
	// the old ones stay, and what comes next meets the conflict again.
	ops, err := redo(&rec, s.ops)
	if err != nil {
		return err
	}
	s.found(e, rec, ops)
	return nil
}

// wait lets others go first. The first time it queues behind the requests of this
// process that met a conflict on the same session, which is what makes many at
// once end soon; after that it waits a moment of random length, for the other
// processes.
func (s *Session) wait(ctx context.Context, try int) error {
	if try == 1 {
		select {
		case s.queue() <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	pause := time.NewTimer(rand.N(min(time.Millisecond<<(try/2), 32*time.Millisecond)))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Session) leave() { <-s.queue() }

func (s *Session) queue() chan struct{} { return s.scope.m.queues[s.phase()%64] }

// phase is a number that a session has for its life and that differs between
// sessions.
func (s *Session) phase() uint64 {
	var sum [8]byte
	_, _ = encoding.Decode(sum[:], []byte(s.key[:8])) // of our own making
	return binary.BigEndian.Uint64(sum[:]) >> 16      // of which 6 bytes are there
}

// end drops the changes to a session that is no more.
func (s *Session) end() error {
	s.mu.Lock()
	s.gone, s.ops = true, nil
	if s.cookie.isSet { // by an earlier save of this request: the browser has no use for it
		s.cookie = cookieChange{clear: s.sent}
	}
	s.mu.Unlock()
	s.scope.tell(Gone, nil)
	return ErrGone
}

// touchDue reports whether the life is to be extended, or is longer than it may
// be. Time is cut into windows of a tenth of the idle timeout, and a session is
// touched in the first request of each. Where the windows begin differs between
// sessions: else all that were touched at once, after a deploy, would be touched at
// once for ever.
func (s *Session) touchDue() bool {
	m := s.scope.m
	if s.key == "" {
		return false
	}
	now := m.now()
	left := s.ttl - now.Sub(s.read)
	since := m.life(&s.base) - left // it was touched
	if since < -precision {
		return true
	}
	window := int64(m.opts.idle() / 10)
	if window <= 0 || since <= 0 {
		return false
	}
	at := now.UnixNano() + int64(s.phase()%uint64(window))
	return at/window != (at-int64(since))/window
}

// precision is the coarsest that a store's lifetimes may be without looking as if
// they were longer than they may be.
const precision = 2 * time.Second

// touch extends the life. If that fails the request goes on, which has only read.
func (s *Session) touch(ctx context.Context) {
	m := s.scope.m
	ttl := m.life(&s.base)
	if ttl <= 0 {
		return
	}
	switch err := m.store.Touch(ctx, s.key, ttl); {
	case err == nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ttl, s.read = ttl, m.now()
	case errors.Is(err, store.ErrNotFound):
		_ = s.end() // nothing was changed, so nobody has lost anything
	default:
		s.scope.tell(TouchError, err)
	}
}

// pop takes a key out of the session in the store, and out of the pending changes,
// and returns what it held.
func (s *Session) pop(key string) ([]byte, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	held := view(&s.base, s.ops, key)
	rest := func(ops []op) []op { return without(ops, key) }
	if s.base.get(key) == nil { // the store does not have it: at most this request has set it
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ops = rest(s.ops)
		return held, nil
	}
	ctx, cancel := s.scope.m.storeContext(s.scope)
	defer cancel()
	err := s.update(ctx, func() (record, bool) {
		held = view(&s.base, s.ops, key)
		next := s.base.clone()
		next.set(key, nil)
		return next, s.base.get(key) != nil
	}, rest)
	if err != nil {
		return nil, err
	}
	return held, nil
}
