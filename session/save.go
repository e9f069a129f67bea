package session

import (
	"context"
	"errors"
	"fmt"
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

// pending reports whether there is anything to save, or a cookie to set.
func (s *Session) pending() bool {
	s.write.Lock()
	defer s.write.Unlock()
	_, changed := changes(&s.base, s.ops)
	return changed || s.renewing || s.cookie.isSet
}

// undeliverable reports whether what is pending is of use only with a cookie.
func (s *Session) undeliverable() bool {
	s.write.Lock()
	defer s.write.Unlock()
	return s.key == "" || s.renewing
}

// close ends the changes without saving them.
func (s *Session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// save writes the pending changes. The caller holds write.
func (s *Session) save(last bool) error {
	next, changed := changes(&s.base, s.ops)
	renew := s.renewing && s.key != ""
	touch := !changed && !renew && last && s.touchDue()
	if !changed && !renew && !touch {
		return nil
	}
	ctx, cancel := s.scope.m.storeContext(s.scope)
	defer cancel()
	if touch {
		s.touch(ctx)
		return nil
	}
	var err error
	if s.scope.m.limited(&s.base, &next) {
		err = s.admitted(ctx, next.owner, func() error { return s.put(ctx, renew) })
	} else {
		err = s.put(ctx, renew)
	}
	if w, ok := errors.AsType[*writeError](err); ok && w.unsure() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unsure = err
	}
	return err
}

// put writes the pending changes to a new session, to the one that is there, or
// to its successor.
func (s *Session) put(ctx context.Context, renew bool) error {
	switch {
	case s.key == "":
		return s.create(ctx)
	case renew:
		return s.rename(ctx)
	}
	return s.update(ctx, func() (record, bool) { return changes(&s.base, s.ops) }, func([]op) []op { return nil })
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

func (s *Session) create(ctx context.Context) error {
	m := s.scope.m
	next, _ := changes(&s.base, s.ops)
	ttl := m.life(&next)
	if ttl <= 0 {
		return ErrGone // the request took longer than a session may live
	}
	i := newID()
	key := i.key()
	data, err := m.encode(&next)
	if err != nil {
		return err
	}
	rev, err := m.store.Create(ctx, key, store.Record{Data: data, Owner: next.owner}, ttl)
	if err != nil {
		return &writeError{"create", err}
	}
	s.mu.Lock()
	s.key, s.id, s.cookie = key, i, cookieChange{set: i, isSet: true}
	s.saved(next, rev, ttl, nil)
	s.renewing, s.login = false, false
	s.mu.Unlock()
	s.scope.tell(Created, nil)
	return nil
}

// saved takes over what was written. The caller holds mu.
func (s *Session) saved(next record, rev store.Revision, ttl time.Duration, ops []op) {
	next.skewed = false
	s.base, s.rev, s.ttl, s.read, s.ops = next, rev, ttl, s.scope.m.now(), ops
}

// update writes what plan makes of the record that is there. After a conflict it
// reads what is there now, and plans anew; if nothing is left to change, it is done.
// Then rest are the changes that are still pending.
func (s *Session) update(ctx context.Context, plan func() (next record, changed bool), rest func([]op) []op) error {
	m := s.scope.m
	leave := func() {}
	defer func() { leave() }()
	for try := 1; ; try++ {
		next, changed := plan()
		if !changed {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ops = rest(s.ops)
			return nil
		}
		ttl := s.ttlFor(&next)
		if ttl <= 0 {
			return s.end()
		}
		data, err := m.encode(&next)
		if err != nil {
			return err
		}
		resend := s.touchDue() || next.persistent != s.base.persistent
		rev, err := m.store.Update(ctx, s.key, store.Record{Data: data, Owner: next.owner}, ttl, s.rev)
		switch {
		case err == nil:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.resend(resend && (next.persistent || s.base.persistent))
			s.saved(next, rev, ttl, rest(s.ops))
			return nil
		case errors.Is(err, store.ErrNotFound):
			return s.end()
		case !errors.Is(err, store.ErrConflict) || try == maxTries:
			return &writeError{"update", err}
		}
		s.scope.tell(Conflict, nil)
		if leave, err = m.wait(ctx, s.phase(), try, leave); err != nil {
			return fmt.Errorf("session: update: %w: %w", err, store.ErrConflict)
		}
		if err := s.reload(ctx); errors.Is(err, ErrGone) {
			return s.end()
		} else if err != nil {
			return err
		}
	}
}

// reload reads what another request has left, and makes the changes again on it. It
// returns ErrGone, and leaves it to the caller what follows, if there is nothing.
func (s *Session) reload(ctx context.Context) error {
	f, err := s.scope.m.find(ctx, s.key)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errRenewed) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	// Base and changes go together: if a function of Update fails here, or panics,
	// the old ones stay, and what comes next meets the conflict again.
	ops, err := redo(&f.record, s.ops)
	if err != nil {
		return err
	}
	s.found(f, ops)
	return nil
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
