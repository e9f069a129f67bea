package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Destroy ends the session: it is deleted in the store at once, and its cookie is
// cleared. What other requests have under way on it is dropped when they save.
//
// The session is then a new and empty one. A value that is set afterwards, such as
// a word of farewell, is stored under another id, with another cookie.
//
// Besides the store's errors it returns [ErrCommitted]. After any error the
// session is as it was, or has ended.
func (s *Session) Destroy() error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); errors.Is(err, ErrCommitted) {
		return err
	}
	if s.down != nil {
		return s.down
	}
	m := s.scope.m
	ctx, cancel := m.storeContext(s.scope)
	defer cancel()
	if s.former != "" {
		if err := m.killRenewed(ctx, s.former); err != nil {
			return fmt.Errorf("session: destroy: %w", err)
		}
	}
	if s.key != "" {
		if _, err := m.killFound(ctx, s.key, s.base.owner, s.rev, ""); err != nil {
			return fmt.Errorf("session: destroy: %w", err)
		}
		s.scope.tell(Ended, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// A cookie that the browser has not got yet needs no clearing.
	s.cookie = cookieChange{clear: s.sent}
	s.key, s.former, s.rev, s.ops, s.gone, s.unsure = "", "", 0, nil, false, nil
	s.forwarded, s.renewing, s.login, s.noted = false, false, false, noted{}
	s.base = record{began: m.now().Truncate(time.Millisecond)}
	return nil
}

// killRenewed is for a logout whose id was given up a moment ago, by another request
// that was under way: the person means the session that there is now. An id from before a
// login, or of another owner, has no say in it.
func (m *Manager) killRenewed(ctx context.Context, key string) error {
	first, err := m.look(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt):
		return nil
	case err != nil:
		return err
	}
	for l := first; l.forward != nil && l.forward.to != ""; {
		if m.now().Sub(l.forward.renewed) > m.opts.maxSkew() {
			return nil
		}
		l, err = m.look(ctx, l.forward.to)
		switch {
		case errors.Is(err, store.ErrNotFound): // ended, or a renewal that is not at its end
			l = listed{}
		case errors.Is(err, store.ErrCorrupt):
			return nil
		case err != nil:
			return err
		case l.owner != first.owner:
			return nil
		}
	}
	_, err = m.kill(ctx, key, first.owner)
	return err
}

// kill ends the session under key, wherever renewals have taken it, and reports
// whether there was one. Of an owner, if any is given, it leaves alone what has become
// another's.
func (m *Manager) kill(ctx context.Context, key, of string) (ended bool, err error) {
	for key != "" {
		e, err := m.store.Load(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return ended, nil
		}
		if errors.Is(err, store.ErrCorrupt) {
			return true, m.store.Delete(ctx, key)
		}
		if err != nil {
			return ended, err
		}
		rec, err := decode(e.Data)
		if err != nil { // not ours to read, but to end
			return true, m.store.Delete(ctx, key)
		}
		if rec.forward == nil {
			if of != "" && e.Owner != of {
				return ended, nil
			}
			here, err := m.killFound(ctx, key, e.Owner, e.Revision, of)
			return ended || here, err
		}
		// Without the forward a renewal that has not ended yet gives up what it has
		// created, or is about to.
		if err := m.store.Delete(ctx, key); err != nil {
			return ended, err
		}
		key = rec.forward.to
	}
	return ended, nil
}

// killFound ends a session that was read at rev. Deleting it alone could come after a
// renewal has taken it elsewhere: so it is marked first, by revision.
func (m *Manager) killFound(ctx context.Context, key, owner string, rev store.Revision, of string) (ended bool, err error) {
	over := record{forward: &forward{}}
	data := over.encode()
	leave := func() {}
	defer func() { leave() }()
	for try := 1; ; try++ {
		_, err := m.store.Update(ctx, key, store.Record{Data: data, Owner: owner}, time.Minute, rev)
		switch {
		case err == nil:
			_ = m.store.Delete(ctx, key) // the mark has ended it, and is gone in a minute by itself
			return true, nil
		case errors.Is(err, store.ErrNotFound):
			return false, nil
		case !errors.Is(err, store.ErrConflict) || try == maxTries:
			return m.killUnmarked(ctx, key, of)
		}
		if leave, err = m.wait(ctx, phase(key), try, leave); err != nil {
			return false, err
		}
		e, err := m.store.Load(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			return false, err
		}
		rec, err := decode(e.Data)
		if err != nil || rec.forward != nil {
			leave() // it queues by itself, and its queue may be this one
			leave = func() {}
			return m.kill(ctx, key, of)
		}
		rev, owner = e.Revision, e.Owner
	}
}

// killUnmarked ends a session that takes no mark: a disk that is full takes a deletion.
// What is there is looked at first, so that a renewal which was quicker is followed.
func (m *Manager) killUnmarked(ctx context.Context, key, of string) (ended bool, err error) {
	e, err := m.store.Load(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case err != nil && !errors.Is(err, store.ErrCorrupt):
		return false, err
	}
	if rec, err := decode(e.Data); err == nil && rec.forward != nil {
		_, err := m.kill(ctx, key, of)
		return true, err
	}
	return true, m.store.Delete(ctx, key)
}
