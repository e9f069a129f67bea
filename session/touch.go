package session

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

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
	since := m.lifeAt(&s.base, now) - left // it was touched
	if since < -precision {
		return true
	}
	idle, _ := m.timeouts(&s.base.meta)
	window := int64(idle / 10)
	if s.scope.passive || window <= 0 || since <= 0 {
		return false
	}
	at := now.UnixNano() + int64(s.phase()%uint64(window))
	return at/window != (at-int64(since))/window
}

// precision is the coarsest that a store's lifetimes may be without looking as if
// they were longer than they may be.
const precision = 2 * time.Second

// ttlFor is the life to ask for with a change: a passive request leaves it as it is.
func (s *Session) ttlFor(next *record) time.Duration {
	now := s.scope.m.now()
	ttl := s.scope.m.lifeAt(next, now)
	if s.scope.passive {
		ttl = min(ttl, s.ttl-now.Sub(s.read))
	}
	return ttl
}

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
		s.resend(s.base.persistent)
	case errors.Is(err, store.ErrNotFound):
		_ = s.end() // nothing was changed, so nobody has lost anything
	default:
		s.scope.tell(TouchError, err)
	}
}

// resend has the response set the cookie again, with another Max-Age. A session
// that was found by an id which it had before cannot: its id is not known here. The
// caller holds mu.
func (s *Session) resend(yes bool) {
	if yes && !s.cookie.isSet && !s.forwarded {
		s.cookie = cookieChange{set: s.id, isSet: true}
	}
}
