package session

import (
	"slices"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Session is the session of one request, from [From]. Its values are read and
// changed through a [Key]. It is safe for use by the request's goroutines.
type Session struct {
	scope *scope
	sent  bool // the request had a cookie of our name

	// write is held by one change, or one save, at a time; what it holds it may
	// also read without mu. The functions of Update and the store are called
	// under it, and never under mu, so that reading waits for neither.
	write sync.Mutex

	mu        sync.Mutex
	key       string // the store's id; "" while nothing is stored
	id        id     // the cookie's, unless forwarded
	forwarded bool   // the cookie has an id from before a renewal
	former    string // the store's id of the cookie, when it is no session any more
	base      record // as it is in the store
	rev       store.Revision
	ttl       time.Duration // what was left at read
	read      time.Time
	ops       []op          // what the request has changed, in order
	renewing  bool          // with the next save it gets another id
	grace     time.Duration // in which the one that it has is good
	login     bool          // an owner was set: what is changed counts also if the session has ended
	noted     noted         // by this request
	closed    bool          // the response has begun
	gone      bool          // it ended while the request was under way
	unsure    error         // of a save that may have been made all the same: nothing is saved after it
	down      error         // why the session could not be loaded, where [Manager.OrAnonymous] goes on
	cookie    cookieChange
}

// cookieChange is what the response says about the cookie.
type cookieChange struct {
	set   id
	isSet bool
	clear bool
}

// op is one change of one key, or of what a session has beside its values. It can
// be made again on another record.
type op struct {
	key    string                           // "": meta
	change func(old []byte) ([]byte, error) // nil: json whatever was there before
	json   []byte                           // what came of it; nil: no value
	meta   func(*meta)
}

// found takes over what was read from the store, and what the changes make of it.
func (s *Session) found(f found, ops []op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.base, s.rev, s.ttl, s.read, s.ops = f.key, f.record, f.rev, f.ttl, f.read, ops
	s.forwarded = s.forwarded || f.forwarded
}

// New reports whether the session has never been stored: the request had no
// cookie, or one that names no session.
func (s *Session) New() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key == ""
}

// Began returns when the session began, to the millisecond, by the clock of the
// server on which it did.
func (s *Session) Began() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.began
}

// Ends returns when the session will end if no request uses it after this one, to
// the millisecond.
func (s *Session) Ends() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.scope.m
	next, changed := changes(&s.base, s.ops)
	if s.key != "" && (s.closed || s.scope.passive || !changed && !s.renewing && !s.touchDue()) {
		return s.read.Add(s.ttl).Truncate(time.Millisecond)
	}
	return m.now().Add(m.life(&next)).Truncate(time.Millisecond)
}

// String tells nothing of the session (SEC-28).
func (s *Session) String() string { return "session.Session" }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// get returns the JSON under key, nil if there is none.
func (s *Session) get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return view(&s.base, s.ops, key)
}

// view is what a key holds after ops.
func view(base *record, ops []op, key string) []byte {
	for i := len(ops) - 1; i >= 0; i-- {
		if ops[i].key == key {
			return ops[i].json
		}
	}
	return base.get(key)
}

// open returns why the session cannot be changed, or nil. The caller holds write.
func (s *Session) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrCommitted
	case s.gone:
		return ErrGone
	case s.down != nil:
		return s.down
	}
	return s.unsure
}

// apply makes a change, and keeps it to be made again if need be. It returns what
// the key holds now.
func (s *Session) apply(o op) ([]byte, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.open(); err != nil {
		return nil, err
	}
	if o.change != nil {
		json, err := o.change(view(&s.base, s.ops, o.key))
		if err != nil {
			return nil, err
		}
		o.json = json
	}
	if err := s.fits(o); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.change == nil {
		// What was there before does not matter, so the changes before do not.
		s.ops = without(s.ops, o.key)
	}
	s.ops = append(s.ops, o)
	return o.json, nil
}

func without(ops []op, key string) []op {
	return slices.DeleteFunc(ops, func(o op) bool { return o.key == key })
}
