package peer

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// What goes over the pipes. Both ends are the same program, so nothing here needs to
// stay as it is.

type verb int

const (
	load verb = iota
	create
	update
	touch
	remove
	list
	removeOwner
	count
	clearAll
	sweep
	ping
	shut // Close

	stop // cancels the call of that number
	more // lets the listing of that number yield as many more as half a window
)

func (v verb) String() string {
	return [...]string{
		"load", "create", "update", "touch", "delete", "list", "delete by owner",
		"count", "clear", "sweep", "ping", "close", "cancel", "go on",
	}[v]
}

// writes reports whether the call may change something.
func (v verb) writes() bool {
	switch v {
	case create, update, touch, remove, removeOwner, clearAll, sweep:
		return true
	}
	return false
}

// call goes to the process.
type call struct {
	N    uint64 // answers have the same
	Verb verb
	Left time.Duration // until the deadline; 0 is none

	ID     string
	Record store.Record
	TTL    time.Duration
	Base   store.Revision
	Query  store.Query
	Owner  string
}

// answer comes from the process. The first one, of number 0, says whether the store
// could be opened.
type answer struct {
	N        uint64
	Entry    store.Entry
	Revision store.Revision
	Count    int
	Err      *failure
	Listed   *store.Listed // set: one more session of a listing
}

// window is how many sessions a listing may be ahead of who asks for it.
const window = 64

// failure is an error.
type failure struct {
	Text string
	Is   []int // which of known
}

// known are the errors that are found by errors.Is on the other side.
var known = []error{
	store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrCorrupt, store.ErrTooLarge, store.ErrInvalid,
	store.ErrFull, store.ErrClosed, store.ErrUnknown,
	context.Canceled, context.DeadlineExceeded, errors.ErrUnsupported,
}

func pack(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	for i, k := range known {
		if errors.Is(err, k) {
			f.Is = append(f.Is, i)
		}
	}
	return f
}

// unpack returns the error that was packed, with the same text.
func (f *failure) unpack() error {
	if f == nil {
		return nil
	}
	r := &remote{text: f.Text}
	for _, i := range f.Is {
		r.is = append(r.is, known[i])
	}
	return r
}

// remote is an error of a store in another process.
type remote struct {
	text string
	is   []error
}

func (r *remote) Error() string   { return r.text }
func (r *remote) Unwrap() []error { return r.is }
