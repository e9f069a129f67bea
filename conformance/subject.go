package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Open makes a store to be tested, empty and apart from all others: in its own
// table, prefix or folder of one server. It is called at least once for each
// requirement. What must be undone goes to tb.Cleanup, what cannot be done to
// tb.Fatal; tb.Skip in the first call skips the whole run.
type Open func(tb testing.TB) Subject

// Subject is a store to be tested, with what only its author can do to it. Only
// Store is needed. A requirement that needs a field that is not there is
// skipped, with the name of the field as reason.
type Subject struct {
	Store store.Store

	// Age moves the deadline of every session of the store d into the past, as
	// if d had gone by, by changing what is stored: for a database one UPDATE.
	// It is how expiry is tested without waiting for it.
	Age func(ctx context.Context, d time.Duration) error

	// Peer returns another handle on the same sessions, as another process
	// would have it, with a client of its own if that can be. The suite closes the
	// store; a client that the store does not own is for tb.Cleanup.
	Peer func(ctx context.Context) (store.Store, error)

	// Skewed returns another handle on the same sessions, as a process would
	// have it whose clock is wrong by d. The suite closes it.
	Skewed func(ctx context.Context, d time.Duration) (store.Store, error)

	// Reopen closes Store in good order and opens what it kept.
	Reopen func(ctx context.Context) (store.Store, error)

	// Crash ends what keeps the sessions as kill -9 does, and opens what is left.
	Crash func(ctx context.Context) (store.Store, error)

	// Break makes the backend fail. undo ends that and returns how often the
	// fault struck. A fault that cannot be made is [errors.ErrUnsupported].
	Break func(ctx context.Context, f Fault) (undo func() int, err error)

	// Corrupt makes what is stored under id unreadable.
	Corrupt func(ctx context.Context, id string) error

	// LoseIndex forgets which sessions belong to whom, for a store that indexes
	// owners apart from the records.
	LoseIndex func(ctx context.Context) error

	// Sweeping returns another handle on the same sessions whose background
	// sweeper runs at short intervals, fails once, and tells onError.
	Sweeping func(ctx context.Context, onError func(error)) (store.Store, error)

	// Raw returns everything stored, as bytes: what the backend gives out when it
	// is asked for all of it, as a dump is. Its files may hold more, such as pages
	// that are free again.
	Raw func(ctx context.Context) ([]byte, error)

	// Rows returns how many sessions are physically there, expired or not.
	Rows func(ctx context.Context) (int, error)

	// Client asks the caller's client, that Close must leave open, for anything.
	Client func(ctx context.Context) error

	MaxData     int           // the store's limit for the data of one session, in bytes; 0 for none under 1 MiB
	Precision   time.Duration // of the store's lifetimes; 0 is 1 ms
	CallTimeout time.Duration // the longest that a call takes, the store's Options.Timeout; 0 is 2 s
	Expires     string        // who removes what has expired, for a store that has no Sweeper: "the server"
	Durability  string        // what a write that returned survives, in a word: "none", "process", "power cut"
	Server      string        // name and version of what keeps the sessions, for the report
}

// FaultKind says how the backend fails.
type FaultKind string

// The ways to fail.
const (
	Refuse      FaultKind = "refuse"       // every request fails at once, as with a server that is down
	Reject      FaultKind = "reject"       // every request is answered with an error of the server
	Hang        FaultKind = "hang"         // no request is answered, nor applied
	LoseRequest FaultKind = "lose request" // the connection breaks before the next request arrives; those after it go well
	LoseReply   FaultKind = "lose reply"   // the next request is applied, then the connection breaks; those after it go well
)

// Fault is how the backend fails.
type Fault struct {
	Kind FaultKind

	// Between, if set, is called by LoseRequest and LoseReply when the request
	// is lost or was applied, before its sender can know.
	Between func()
}

func (s *Subject) precision() time.Duration {
	if s.Precision > 0 {
		return s.Precision
	}
	return time.Millisecond
}

func (s *Subject) callTimeout() time.Duration {
	if s.CallTimeout > 0 {
		return s.CallTimeout
	}
	return 2 * time.Second
}
