package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Query says which sessions [Lister.List] yields, and how much of each.
type Query struct {
	Owner string // only this owner's; "" for every session
	Data  bool   // with Entry.Data; without, it is nil, and a store need not read it
}

// Listed is a session in a listing.
type Listed struct {
	ID string
	Entry
}

// Lister is a store that can list its sessions.
type Lister interface {
	// List yields the live sessions that q asks for, in no order, as it reads
	// them. An error is the last thing yielded, with a zero Listed. A record
	// that cannot be read is passed over.
	//   - LIST-1 List yields every session that is live throughout the call,
	//     and none twice. (A store may except sessions that move between its
	//     servers during the call, and says so.)
	//   - LIST-2 List can be stopped early, and releases what it holds.
	//   - LIST-3 List holds a bounded number of sessions in memory; to keep its
	//     word on "none twice" a store may remember 16 bytes for each session
	//     it has yielded.
	//   - OWNER-1 List by owner yields exactly that owner's live sessions, each
	//     once.
	//   - OWNER-2 An Update that changes the owner moves the session to the new
	//     one.
	//   - OWNER-4 What has expired or been deleted does not stay listed, and
	//     leaves nothing behind in the end.
	List(ctx context.Context, q Query) iter.Seq2[Listed, error]
}

// OwnerDeleter is a store that can end all sessions of one owner.
type OwnerDeleter interface {
	// DeleteOwner removes the sessions of owner and returns how many of them were
	// live.
	//   - OWNER-3 DeleteOwner removes every session of the owner whose Create or
	//     Update had returned before the call, and no one else's.
	//   - OWNER-7 A session created while DeleteOwner runs is ended or listed
	//     afterwards, never live and unlisted.
	DeleteOwner(ctx context.Context, owner string) (int, error)
}

// Counter is a store that can count its sessions.
type Counter interface {
	// Count returns how many live sessions there are.
	//   - COUNT-1 Count is the number of live sessions while nothing changes;
	//     otherwise some number the set had between its lowest and highest
	//     during the call.
	Count(ctx context.Context) (int, error)
}

// Clearer is a store that can remove all its sessions.
type Clearer interface {
	// Clear removes every session.
	//   - CLEAR-1 Clear removes every session of this store and nothing else in
	//     the same server, folder or database.
	Clear(ctx context.Context) error
}

// Sweeper is a store whose backend does not remove expired sessions by itself.
type Sweeper interface {
	// Sweep removes what has expired, in bounded batches.
	//   - SWEEP-1 Sweep removes what has expired and nothing live, a session
	//     touched meanwhile included, and returns how many.
	//   - SWEEP-2 Two sweepers at once do no harm.
	//   - SWEEP-3 A background sweeper goes on after an error, and the error
	//     reaches OnError.
	Sweep(ctx context.Context) (int, error)
}

// Pinger is a store that can find out whether its backend answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// As finds the first store in s's chain that is a T. The chain is s, then what
// its Unwrap() Store returns, and so on, as with [errors.As].
//
// A wrapper that changes what is stored, or that must see every call, has no
// Unwrap and offers the abilities itself.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none T
	return none, false
}

// List is [Lister.List] of s, or yields an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func List(ctx context.Context, s Store, q Query) iter.Seq2[Listed, error] {
	if l, ok := As[Lister](s); ok {
		return l.List(ctx, q)
	}
	return func(yield func(Listed, error) bool) { yield(Listed{}, unsupported(s, "list")) }
}

// DeleteOwner is [OwnerDeleter.DeleteOwner] of s, or returns an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func DeleteOwner(ctx context.Context, s Store, owner string) (int, error) {
	if d, ok := As[OwnerDeleter](s); ok {
		return d.DeleteOwner(ctx, owner)
	}
	return 0, unsupported(s, "delete by owner")
}

// Count is [Counter.Count] of s, or returns an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func Count(ctx context.Context, s Store) (int, error) {
	if c, ok := As[Counter](s); ok {
		return c.Count(ctx)
	}
	return 0, unsupported(s, "count")
}

// Clear is [Clearer.Clear] of s, or returns an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func Clear(ctx context.Context, s Store) error {
	if c, ok := As[Clearer](s); ok {
		return c.Clear(ctx)
	}
	return unsupported(s, "clear")
}

// Sweep is [Sweeper.Sweep] of s, or returns an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func Sweep(ctx context.Context, s Store) (int, error) {
	if w, ok := As[Sweeper](s); ok {
		return w.Sweep(ctx)
	}
	return 0, unsupported(s, "sweep")
}

// Ping is [Pinger.Ping] of s, or returns an error that wraps
// [errors.ErrUnsupported] if s has not the ability.
func Ping(ctx context.Context, s Store) error {
	if p, ok := As[Pinger](s); ok {
		return p.Ping(ctx)
	}
	return unsupported(s, "ping")
}

// Close closes s if it is an [io.Closer], and does nothing otherwise.
func Close(s Store) error {
	if c, ok := As[io.Closer](s); ok {
		return c.Close()
	}
	return nil
}

func unsupported(s Store, what string) error {
	return fmt.Errorf("%T cannot %s: %w", s, what, errors.ErrUnsupported)
}
