package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const (
	maxGrace = time.Hour

	// maxKeep is how long a renewed id is known as one at most, so that its use is seen.
	maxKeep = 24 * time.Hour
)

// Renew gives the session another id when it is saved, so that an id which somebody
// may have seen or planted is worth nothing. Call it whenever a person is allowed more
// than before; [Session.SetOwner] does it by itself.
//
// With a grace of 0 the old id is worth nothing at once, and requests that are on
// their way with it have no session: right for all that changes what one may do. A
// grace of some seconds, at most an hour, has the old id stand for the same session
// meanwhile: right where ids are changed from time to time. Of several renewals at
// once one wins; the others' changes join it if there is a grace, and are dropped
// ([ErrGone]) if there is none. A request that came with an old id, in its grace, only
// renews without one: then neither that id is good any more nor the one after it.
//
// When the old id is used after its grace that is an event ([Reused]), for half the
// idle timeout, and a day at most.
//
// It returns an error for another grace, [ErrCommitted] or [ErrGone].
func (s *Session) Renew(grace time.Duration) error {
	if grace < 0 || grace > maxGrace {
		return fmt.Errorf("session: %w: a grace of %v; it is between 0 and %v", store.ErrInvalid, grace, maxGrace)
	}
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.key == "":
	case s.renewing:
		s.grace = min(s.grace, grace)
	case s.forwarded && grace > 0: // it has another id already
	default:
		s.renewing, s.grace = true, grace
	}
	return nil
}

// rename saves the session under another id. In this order there is no moment in which
// both ids are good without a grace, wherever the program is killed (SEC-14): first
// the old record becomes a forward, by revision, so that of several renewals one wins;
// then the new one is created. Who ends the session meanwhile removes the forward
// (kill), which is asked for at the end: a session that was ended must not live on
// under an id that nobody knew of.
func (s *Session) rename(ctx context.Context) error {
	m := s.scope.m
	leave := func() {}
	defer func() { leave() }()
	for try := 1; ; try++ {
		next, _ := changes(&s.base, s.ops)
		ttl := m.life(&next)
		if !s.login {
			ttl = s.ttlFor(&next)
		}
		if ttl <= 0 {
			return s.lost(ctx)
		}
		i := newID()
		key := i.key()
		if next.handle == "" { // the owner came in another way than by SetOwner
			next.handle = handle(s.key, next.meta)
		}
		data, err := m.encode(&next)
		if err != nil {
			return err
		}
		old := forward{
			to: key, renewed: milliseconds(m.now()), grace: s.grace.Truncate(time.Millisecond),
			keep: keepFor(min(ttl, m.life(&s.base))),
		}
		rec := record{meta: meta{handle: handle(s.key, s.base.meta)}, forward: &old}
		rev, err := m.store.Update(ctx, s.key, store.Record{Data: rec.encode(), Owner: s.base.owner}, old.grace+old.keep, s.rev)
		switch {
		case err == nil:
			leave() // what follows may queue by itself, and its queue may be this one
			leave = func() {}
			return s.succeed(ctx, i, rev, next, data, ttl, &old)
		case errors.Is(err, store.ErrNotFound):
			return s.lost(ctx)
		case !errors.Is(err, store.ErrConflict) || try == maxTries:
			return &writeError{"renew", err}
		}
		s.scope.tell(Conflict, nil)
		if leave, err = m.wait(ctx, s.phase(), try, leave); err != nil {
			return fmt.Errorf("session: renew: %w: %w", err, store.ErrConflict)
		}
		switch err := s.reload(ctx); {
		case errors.Is(err, ErrGone):
			return s.lost(ctx)
		case err != nil:
			return err
		case s.forwarded && s.grace > 0: // another renewal was quicker, with a grace too
			s.mu.Lock()
			s.renewing = false
			s.mu.Unlock()
			leave()
			leave = func() {}
			return s.put(ctx, false)
		}
	}
}

// succeed creates the session under its new id, once the old one is a forward.
func (s *Session) succeed(ctx context.Context, i id, forwardRev store.Revision, next record, data []byte, ttl time.Duration, old *forward) error {
	m := s.scope.m
	rev, err := m.store.Create(ctx, old.to, store.Record{Data: data, Owner: next.owner}, ttl)
	if err != nil {
		w := &writeError{"renew", err}
		if !w.unsure() { // the store has refused it, so that the old id may have it back
			back := s.base
			if rev, err := m.store.Update(ctx, s.key, store.Record{Data: back.encode(), Owner: back.owner}, max(s.ttl-m.now().Sub(s.read), time.Millisecond), forwardRev); err == nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.rev = rev
			}
		} else {
			m.giveUp(ctx, old.to) // nobody will have the id, but the owner would see a session
		}
		return w
	}
	switch err := m.store.Touch(ctx, s.key, old.grace+old.keep); {
	case errors.Is(err, store.ErrNotFound):
		m.giveUp(ctx, old.to)
		return s.lost(ctx)
	case err != nil:
		m.giveUp(ctx, old.to)
		return &writeError{"renew", err}
	}
	s.mu.Lock()
	s.key, s.id, s.forwarded, s.cookie = old.to, i, false, cookieChange{set: i, isSet: true}
	s.saved(next, rev, ttl, nil)
	s.renewing, s.login = false, false
	s.mu.Unlock()
	s.scope.tell(Renewed, nil)
	return nil
}

// giveUp ends what a renewal has created in vain. Within a grace another request may have
// found it by the forward, and renewed it once more: so it is followed. If it cannot be
// ended nobody has its id all the same.
func (m *Manager) giveUp(ctx context.Context, key string) { _, _ = m.kill(ctx, key, "") }

// keepFor is how long a forward is kept after its grace. It is less than what a touch
// that comes late gives it, from a request that knows nothing of the renewal: else such
// a touch would end the grace.
func keepFor(life time.Duration) time.Duration {
	return max(min(life/2, maxKeep).Truncate(time.Millisecond), time.Millisecond)
}

// lost is a renewal whose session has ended meanwhile. A login stays one: somebody
// has just proved who they are, and what they have got here goes into a new session.
func (s *Session) lost(ctx context.Context) error {
	if !s.login {
		return s.end()
	}
	m := s.scope.m
	empty := record{began: m.now().Truncate(time.Millisecond)}
	ops, err := redo(&empty, s.ops)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.key, s.base, s.rev, s.ops, s.gone, s.forwarded = "", empty, 0, ops, false, false
	s.mu.Unlock()
	return s.create(ctx)
}
