package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// Store keeps sessions. A session is a [Record] under an id, with a lifetime.
//
// The five verbs are all that a session manager needs. What a store can do
// beyond them it offers as the optional interfaces [Lister], [OwnerDeleter],
// [Counter], [Clearer], [Sweeper], [Pinger] and [io.Closer].
//
// There is no upsert. A manager always knows whether its session is new, and a
// write that creates what is missing is how a logged-out session comes back.
//
// Each sentence below and on the methods has an id. Package conformance tests
// each of them and names the one that broke.
//
// Lifetime:
//   - TTL-1 A session can be loaded before its ttl has passed and not after it.
//   - TTL-2 Expiry holds on every read and write, whether or not anything has
//     been cleaned up.
//   - TTL-3 ttl of 0 or less is ErrInvalid, and nothing is stored or removed.
//   - TTL-4 A ttl below the store's precision is rounded up, never to "for ever"
//     and never to "already gone". (999 ns too.)
//   - TTL-5 A ttl of ten years is kept.
//   - TTL-6 Entry.TTL is what is left by the store's own clock, within its
//     stated precision: right too for a reader whose clock is wrong.
//   - TTL-7 Reading does not extend a lifetime.
//   - TTL-8 Update sets the lifetime anew from its own ttl.
//
// Ids and owners:
//   - ID-1 Any string of 1 to 255 bytes of visible ASCII (0x21 to 0x7e) is an
//     id, and two different ids are two sessions: case, `/`, `..`, `*`, `:`,
//     `%` and quotes included.
//   - ID-2 Any other id is ErrInvalid, before anything is asked of the backend.
//   - ID-3 Neither the id, the owner nor the data appears in an error's text,
//     in any encoding.
//   - OWNER-5 An owner is 1 to 255 bytes of valid UTF-8 without control
//     characters; "" is nobody's (a query for it lists all, DeleteOwner of it
//     is ErrInvalid); anything else is ErrInvalid.
//   - OWNER-6 Where owners are indexed apart from the records, a lost entry is
//     restored by the session's next Update or Touch.
//
// Being a good citizen:
//   - CTX-1 A call whose context is already done asks nothing of the backend
//     and returns an error that wraps context.Cause. A deadline that passes
//     during the call ends it within 100 ms with context.DeadlineExceeded. A
//     cancellation during the call ends it at the latest after the store's
//     stated call time (Options.Timeout, 2 s), with context.Canceled.
//   - CTX-2 A call that has failed by its context has happened whole or not at
//     all.
//   - ISO-1 Two stores with different prefixes, tables, collections or folders
//     do not see each other's sessions.
//   - CONC-1 All methods may be called from any number of goroutines (run with
//     -race).
//   - CONC-2 Two handles on one backend, as from two processes, see each
//     other's writes at once.
//   - CLOSE-1 Close can be called twice; afterwards every call returns
//     ErrClosed; it ends what the store started and leaves the caller's client
//     open.
//   - CLOSE-2 No goroutine of the store outlives Close.
//   - SIZE-1 Data over the store's limit is ErrTooLarge, and what was there
//     stays.
//
// When things fail:
//   - FAIL-1 When the backend does not answer or answers with an error, the
//     call returns an error that is none of ErrNotFound, ErrExists,
//     ErrConflict.
//   - FAIL-2 After the backend is back, the store works again without being
//     reopened.
//   - FAIL-3 A write whose reply was lost is never reported as a conflict with
//     itself. The call finds out by repeating it, for at most the store's
//     stated time (ours: 2 s) and never beyond its context: it answers success
//     when its own revision is there or its base still was, and ErrUnknown when
//     it cannot tell. Only a first attempt may answer ErrConflict, ErrExists
//     or, for Update, ErrNotFound.
//   - FAIL-4 A record that cannot be read is ErrCorrupt to every verb but
//     Delete, is not deleted by itself, and does not hinder List, Count, Sweep
//     or other ids.
//   - FAIL-5 After ErrUnknown the write has happened once or not at all.
//   - CRASH-1 A write that returned is there after the process is killed (or as
//     the store's stated durability level says).
//   - CRASH-2 A write cut off by a kill is there whole or not at all.
type Store interface {
	// Load reads the session under id.
	//
	// Besides what [CheckLoad] refuses it returns [ErrNotFound] when there is
	// no live session under id, [ErrCorrupt] when there is one that cannot be
	// read, [ErrClosed], or the driver's error.
	//   - LOAD-1 Load returns the bytes, the owner and the revision last
	//     written under id.
	//   - LOAD-2 Load of an id that was never created returns ErrNotFound.
	//   - LOAD-3 An empty record is not a missing one: Data of length 0 comes
	//     back with length 0 and no error.
	//   - LOAD-4 Data survives byte for byte at 0, 1, 4 KiB, 64 KiB and 1 MiB,
	//     all byte values included.
	//   - LOAD-5 The store keeps its own copy: changing the slice passed to
	//     Create or Update changes nothing stored.
	//   - LOAD-6 What Load or List returned stays what it was, whatever is
	//     written under the id afterwards. The caller does not modify it.
	Load(ctx context.Context, id string) (Entry, error)

	// Create stores a new session under id for ttl, and returns the revision
	// that it has chosen for it (see [NewRevision]).
	//
	// Besides what [CheckCreate] refuses it returns [ErrExists], [ErrFull],
	// [ErrCorrupt], [ErrUnknown], [ErrClosed], or the driver's error.
	//   - CREATE-1 Create stores a new session and returns a revision that is
	//     not 0.
	//   - CREATE-2 Create of a live id returns ErrExists and changes nothing.
	//   - CREATE-3 Create of an id whose session expired or was deleted
	//     succeeds.
	//   - CREATE-4 Of any number of concurrent Creates of one id exactly one
	//     succeeds.
	Create(ctx context.Context, id string, rec Record, ttl time.Duration) (Revision, error)

	// Update replaces the session under id, if base is still its revision, and
	// returns the new revision.
	//
	// Besides what [CheckUpdate] refuses it returns [ErrNotFound],
	// [ErrConflict], [ErrFull], [ErrCorrupt], [ErrUnknown], [ErrClosed], or the
	// driver's error.
	//   - UPDATE-1 Update with the current revision replaces data, owner and
	//     lifetime, and returns a new revision.
	//   - UPDATE-2 Update with any other revision returns ErrConflict and
	//     changes nothing.
	//   - UPDATE-3 Update of a missing, deleted or expired id returns
	//     ErrNotFound and creates nothing, whatever the revision.
	//   - UPDATE-4 Update with base 0 is ErrInvalid, and changes nothing.
	//   - UPDATE-5 A revision is never current again once it has been replaced,
	//     also after Delete and Create of the same id.
	//   - UPDATE-6 Concurrent Creates, Updates, Touches, Loads and Deletes of
	//     one id are linearizable. (Lifetimes far longer than the run; a Touch
	//     is a Load that needs the session; an expiry is a Delete at the moment
	//     the store's clock says.)
	//   - UPDATE-7 An Update or Touch that changes nothing in the record
	//     succeeds.
	Update(ctx context.Context, id string, rec Record, ttl time.Duration, base Revision) (Revision, error)

	// Touch sets what is left of the session's life to ttl, without rewriting
	// its data.
	//
	// Besides what [CheckTouch] refuses it returns [ErrNotFound],
	// [ErrCorrupt], [ErrUnknown], [ErrClosed], or the driver's error.
	//   - TOUCH-1 Touch sets the lifetime to ttl from now, longer or shorter,
	//     and changes neither data, owner nor revision.
	//   - TOUCH-2 Touch of a missing, deleted or expired id returns ErrNotFound
	//     and creates nothing.
	Touch(ctx context.Context, id string, ttl time.Duration) error

	// Delete removes the session under id, readable or not.
	//
	// Besides what [CheckDelete] refuses it returns [ErrUnknown], [ErrClosed],
	// or the driver's error.
	//   - DELETE-1 After Delete, Load returns ErrNotFound.
	//   - DELETE-2 Delete of a missing id is no error.
	//   - DELETE-3 Delete leaves every other session as it was, ids that are
	//     prefixes or extensions of this one included.
	//   - DELETE-4 Nothing but Create makes a deleted id live again: no Update,
	//     Touch or late cleaner.
	Delete(ctx context.Context, id string) error
}

// Record is what a session holds.
type Record struct {
	Data  []byte // opaque to the store; nil and empty are the same
	Owner string // whose session it is, see [CheckOwner]; "" while it is nobody's
}

// Entry is a record as it was read.
type Entry struct {
	Record
	Revision Revision // which version of the record this is; never 0

	// TTL is what was left of the session's life when it was read, by the
	// store's own clock: over 0 for a session that was found. It is a duration
	// and not a point in time, so that it is right for a reader whose clock is
	// wrong.
	TTL time.Duration
}

// Revision names one version of a record: 64 random bits, never 0. Stores with
// signed integers keep the same bits.
//
// The writer chooses it before it writes. If the reply is lost it sends the
// write again and can tell by the revision that it finds whether its own first
// attempt was applied: a counter, which the server advances, could not tell.
type Revision uint64

// NewRevision returns a random revision, for a store about to write.
//
// It need not be secret: it only must not come up twice under one id, and two
// writers in two processes must not choose the same one.
func NewRevision() Revision {
	for {
		if r := Revision(rand.Uint64()); r != 0 {
			return r
		}
	}
}
