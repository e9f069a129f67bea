package store

import "errors"

// The errors of a store, tested with [errors.Is]. Any other error is the
// driver's own, wrapped with what was being done. No error holds an id, an
// owner or data, nor does any text that a driver made of them.
var (
	// The session is not what the caller expected.
	ErrNotFound = errors.New("session not found")         // missing, deleted or expired
	ErrExists   = errors.New("session exists already")    // Create of a live id
	ErrConflict = errors.New("session changed meanwhile") // Update with a revision that is not the current one
	ErrCorrupt  = errors.New("session cannot be read")    // there, but unreadable; Delete removes it
	ErrTooLarge = errors.New("session data is too large") // over the store's limit for one session
	ErrInvalid  = errors.New("invalid argument")          // id, owner, ttl, base, or the URL given to Open

	// The store cannot do it now.
	ErrFull    = errors.New("store is full")                   // disk full, server out of memory, limit of the memory store reached
	ErrClosed  = errors.New("store is closed")                 // Close was called
	ErrUnknown = errors.New("outcome of the write is unknown") // applied or not: look before you repeat it
)
