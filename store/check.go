package store

import (
	"context"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of what a store takes, the same in every store.
const (
	MaxID    = 255 // bytes of an id
	MaxOwner = 255 // bytes of an owner
)

// CheckID returns an error that wraps [ErrInvalid] unless id is 1 to [MaxID]
// bytes of visible ASCII (0x21 to 0x7e).
func CheckID(id string) error {
	if id == "" || len(id) > MaxID {
		return fmt.Errorf("%w: an id has 1 to %d bytes, this one has %d", ErrInvalid, MaxID, len(id))
	}
	for i := range len(id) {
		if id[i] < 0x21 || id[i] > 0x7e {
			return fmt.Errorf("%w: an id is visible ASCII (0x21 to 0x7e), byte %d of this one is not", ErrInvalid, i)
		}
	}
	return nil
}

// CheckOwner returns an error that wraps [ErrInvalid] unless owner is "", for
// nobody, or 1 to [MaxOwner] bytes of valid UTF-8 without control characters.
func CheckOwner(owner string) error {
	if len(owner) > MaxOwner {
		return fmt.Errorf("%w: an owner has at most %d bytes, this one has %d", ErrInvalid, MaxOwner, len(owner))
	}
	for i, r := range owner {
		if r == utf8.RuneError {
			// U+FFFD itself is a character like any other, three bytes long.
			if _, size := utf8.DecodeRuneInString(owner[i:]); size == 1 {
				return fmt.Errorf("%w: an owner is valid UTF-8, byte %d of this one is not", ErrInvalid, i)
			}
		}
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: an owner has no control characters, this one has one at byte %d", ErrInvalid, i)
		}
	}
	return nil
}

// CheckTTL returns an error that wraps [ErrInvalid] unless ttl is over 0.
func CheckTTL(ttl time.Duration) error {
	if ttl <= 0 {
		return fmt.Errorf("%w: a ttl is over 0, this one is %v", ErrInvalid, ttl)
	}
	return nil
}

// CheckBase returns an error that wraps [ErrInvalid] unless base is a revision
// that a session can have.
func CheckBase(base Revision) error {
	if base == 0 {
		return fmt.Errorf("%w: no session has revision 0; update with the revision that Load or Create returned", ErrInvalid)
	}
	return nil
}

// CheckSize returns an error that wraps [ErrTooLarge] if data has more than max
// bytes. A max of 0 or less is no limit.
func CheckSize(data []byte, max int) error {
	if max > 0 && len(data) > max {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(data), max)
	}
	return nil
}

// CheckContext returns nil while ctx is not done. Afterwards it returns an error
// that wraps both ctx.Err and [context.Cause].
func CheckContext(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && cause != err {
		return fmt.Errorf("not started: %w: %w", err, cause)
	}
	return fmt.Errorf("not started: %w", err)
}

// CheckLoad is what a store does before it asks its backend in [Store.Load]:
// ctx must not be done, and id must be one.
func CheckLoad(ctx context.Context, id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	return CheckContext(ctx)
}

// CheckCreate is what a store does before it asks its backend in [Store.Create].
// maxData is the store's limit for the data of one session in bytes, 0 for none.
func CheckCreate(ctx context.Context, id string, rec Record, ttl time.Duration, maxData int) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if err := CheckOwner(rec.Owner); err != nil {
		return err
	}
	if err := CheckTTL(ttl); err != nil {
		return err
	}
	if err := CheckSize(rec.Data, maxData); err != nil {
		return err
	}
	return CheckContext(ctx)
}

// CheckUpdate is what a store does before it asks its backend in [Store.Update].
// maxData is the store's limit for the data of one session in bytes, 0 for none.
func CheckUpdate(ctx context.Context, id string, rec Record, ttl time.Duration, base Revision, maxData int) error {
	if err := CheckBase(base); err != nil {
		return err
	}
	return CheckCreate(ctx, id, rec, ttl, maxData)
}

// CheckTouch is what a store does before it asks its backend in [Store.Touch].
func CheckTouch(ctx context.Context, id string, ttl time.Duration) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if err := CheckTTL(ttl); err != nil {
		return err
	}
	return CheckContext(ctx)
}

// CheckDelete is what a store does before it asks its backend in [Store.Delete].
func CheckDelete(ctx context.Context, id string) error {
	return CheckLoad(ctx, id)
}

// CheckDeleteOwner is what a store does before it asks its backend in
// [OwnerDeleter.DeleteOwner]. The owner "" is refused: it would end the session
// of everybody who is not logged in.
func CheckDeleteOwner(ctx context.Context, owner string) error {
	if owner == "" {
		return fmt.Errorf("%w: DeleteOwner wants an owner; to remove every session use Clear", ErrInvalid)
	}
	if err := CheckOwner(owner); err != nil {
		return err
	}
	return CheckContext(ctx)
}

// CheckQuery is what a store does before it asks its backend in [Lister.List].
func CheckQuery(ctx context.Context, q Query) error {
	if err := CheckOwner(q.Owner); err != nil {
		return err
	}
	return CheckContext(ctx)
}

// RoundUp returns ttl rounded up to a multiple of precision, for a store whose
// clock is coarser than a nanosecond: a short life must neither end at once nor,
// as a 0 does in many servers, never (TTL-4). A ttl so long that the next multiple
// would overflow is rounded down.
//
// Where the clock that is added to is as coarse as the deadlines, that alone is too
// short by up to one tick: cut the clock, and add one precision more.
func RoundUp(ttl, precision time.Duration) time.Duration {
	if precision <= 1 {
		return ttl
	}
	rest := ttl % precision
	if rest == 0 {
		return ttl
	}
	if up := ttl - rest + precision; up > 0 {
		return up
	}
	return ttl - rest
}
