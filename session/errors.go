package session

import "errors"

// The errors of a session, tested with [errors.Is]. Other errors are the store's,
// wrapped; see package store.
var (
	// ErrGone means that the session was ended, or expired, while the request was
	// under way. Its changes are dropped.
	ErrGone = errors.New("session: it has ended meanwhile")

	// ErrCommitted means that the response has begun: the session is saved, and
	// can be neither changed nor first looked at any more.
	ErrCommitted = errors.New("session: the response has begun, use the session before writing")

	// ErrLimit means that the owner has as many sessions as [Options.MaxPerOwner]
	// says.
	ErrLimit = errors.New("session: the owner has as many sessions as may be")

	// ErrNoHandler means that the context is not that of a request served through
	// [Manager.Handler].
	ErrNoHandler = errors.New("session: the context has no session: serve through (*Manager).Handler and pass r.Context() (a *gin.Context needs Engine.ContextWithFallback)")
)
