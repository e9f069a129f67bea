package session

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn/store"
)

// Owner returns whose session it is, "" while it is nobody's.
func (s *Session) Owner() string { return s.attributes().owner }

// SetOwner says whose session it is: log in with it, as soon as it is proved who is
// there.
//
//	err := errors.Join(s.SetOwner("user:42"), s.MarkAuthenticated("password"))
//
// An owner is what [store.CheckOwner] says. When the owner changes the session gets
// another id, and the one before is worth nothing from then on ([Session.Renew]), so
// that nobody who planted an id, or saw it before, is logged in too. The values stay.
// What [Session.MarkAuthenticated] and [Session.SetDevice] noted for another owner goes;
// what this request noted before it set any owner is the new one's. With the same owner
// nothing happens.
//
// The absolute timeout counts from here: who has been a visitor for weeks is not out a day
// after the login.
//
// A login is not undone by an end of the visitor's session meanwhile: then what this
// request has changed goes into a new one.
//
// It returns an error that wraps [store.ErrInvalid] for what is no owner,
// [ErrCommitted], or [ErrGone]. With [Options.MaxPerOwner] it saves the session at
// once, and returns [ErrLimit] if the owner has too many, or the store's error: then
// the session is as it was before.
func (s *Session) SetOwner(owner string) error {
	if err := store.CheckOwner(owner); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	if viewMeta(&s.base, s.ops).owner == owner {
		return nil
	}
	m := s.scope.m
	fresh := meta{owner: owner, since: milliseconds(m.now())}
	if owner != "" {
		fresh.handle = newHandle()
	}
	kept := s.noted // by this request, and so of the new owner
	before, renewing, grace, login, noted := s.ops, s.renewing, s.grace, s.login, s.noted
	s.mu.Lock()
	s.ops = append(s.ops[:len(s.ops):len(s.ops)], op{meta: func(x *meta) {
		x.owner, x.handle, x.since = fresh.owner, fresh.handle, fresh.since
		if !kept.auth {
			x.authAt, x.authBy = time.Time{}, ""
		}
		if !kept.device {
			x.device = ""
		}
	}})
	s.renewing, s.grace, s.login = true, 0, owner != ""
	s.noted.auth, s.noted.device, s.noted.owned = false, false, owner != ""
	s.mu.Unlock()
	if next, _ := changes(&s.base, s.ops); !m.limited(&s.base, &next) {
		return nil
	}
	err := s.save(false)
	if err != nil && s.unsure == nil && !s.gone {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ops, s.renewing, s.grace, s.login, s.noted = before, renewing, grace, login, noted
	}
	return err
}

// MarkAuthenticated notes that the owner has just proved who they are, and how, like
// "password" or "webauthn" (at most 64 bytes). [Manager.RequireFresh] asks for it. It
// returns [ErrCommitted] or [ErrGone].
//
// The id stays. Where a further proof opens what was closed before, call
// [Session.Renew] too.
func (s *Session) MarkAuthenticated(how string) error {
	how = bound(how, 64)
	now := milliseconds(s.scope.m.now())
	return s.note(func(x *meta) { x.authAt, x.authBy = now, how }, func(n *noted) { n.auth = !n.owned })
}

// AuthenticatedAt returns when the owner last proved who they are, by the clock of the
// server that saw it; the zero time if never. AuthenticatedBy says how.
func (s *Session) AuthenticatedAt() time.Time { return s.attributes().authAt }

// AuthenticatedBy returns what [Session.MarkAuthenticated] was last given.
func (s *Session) AuthenticatedBy() string { return s.attributes().authBy }

// SetPersistent says whether the browser keeps the cookie when it is closed ("remember
// me"), for what is left of the session's life. A new session is forgotten then. It
// returns [ErrCommitted] or [ErrGone].
func (s *Session) SetPersistent(yes bool) error {
	return s.note(func(x *meta) { x.persistent = yes }, nil)
}

// Persistent returns what [Session.SetPersistent] was last given.
func (s *Session) Persistent() bool { return s.attributes().persistent }

// SetLifetime gives this session timeouts of its own, in place of [Options.Idle] and
// [Options.Absolute]; 0 is the manager's, and more than [Options.MaxLife] is that. The
// absolute one counts from when the session began, or its owner changed. They are kept
// to the millisecond, and by a renewal too. It returns an error for what is negative or
// under a millisecond, [ErrCommitted] or [ErrGone].
func (s *Session) SetLifetime(idle, absolute time.Duration) error {
	for _, d := range []time.Duration{idle, absolute} {
		if d != 0 && d < time.Millisecond {
			return fmt.Errorf("session: %w: a lifetime of %v; a millisecond is the least, and 0 is the manager's", store.ErrInvalid, d)
		}
	}
	idle, absolute = min(idle, maxLife).Truncate(time.Millisecond), min(absolute, maxLife).Truncate(time.Millisecond)
	return s.note(func(x *meta) { x.idle, x.absolute = idle, absolute }, nil)
}

// SetDevice notes what the session is used on, for [Info.Device]: what the owner will
// know it by, such as "Firefox on Linux, Vienna". Of a longer note the first 256 bytes
// are kept, and control characters are blanks. Nothing is noted without it. It returns
// [ErrCommitted] or [ErrGone].
func (s *Session) SetDevice(note string) error {
	note = bound(note, 256)
	return s.note(func(x *meta) { x.device = note }, func(n *noted) { n.device = !n.owned })
}

// Device returns what [Session.SetDevice] was last given.
func (s *Session) Device() string { return s.attributes().device }

// Handle returns what [Info.Handle] of this session is; "" while it is nobody's.
func (s *Session) Handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return handle(s.key, viewMeta(&s.base, s.ops))
}

// noted is what a request itself has noted, not one before, for an owner that it has
// not set yet.
type noted struct{ auth, device, owned bool }

func (s *Session) note(change func(*meta), remember func(*noted)) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, op{meta: change})
	if remember != nil {
		remember(&s.noted)
	}
	return nil
}

// attributes are what the session has beside its values, after the changes.
func (s *Session) attributes() meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return viewMeta(&s.base, s.ops)
}

func viewMeta(base *record, ops []op) meta {
	if !slices.ContainsFunc(ops, func(o op) bool { return o.meta != nil }) {
		return base.meta
	}
	x := base.meta
	for i := range ops {
		if ops[i].meta != nil {
			ops[i].meta(&x)
		}
	}
	return x
}

// milliseconds is a time as it is stored.
func milliseconds(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()) }

// bound makes a note of at most limit bytes that can be printed.
func bound(note string, limit int) string {
	note = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r // of what is no UTF-8, the replacement character
	}, note)
	if len(note) > limit {
		note = note[:limit]
		for !utf8.ValidString(note) {
			note = note[:len(note)-1]
		}
	}
	return note
}
