// Package faulty wraps a store so that its calls fail on command: for tests of
// what stands on a store, and of a backend's own wrappers.
//
//	s := faulty.New(memory.New(nil))
//	undo := s.Fail(faulty.Fault{Kind: faulty.After, Verb: faulty.Update, Times: 1})
//	…
//	if undo() == 0 {
//		t.Error("the fault never struck")
//	}
//
// # Caveats
//
// The faults strike above the wrapped store, where its caller sees them. What the
// store itself does when its server fails is tested below it, by
// conformance.Subject.Break.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Kind is how a call fails.
type Kind int

// The ways to fail.
const (
	Before Kind = iota // the call fails, and nothing happened
	After              // the call is applied, and then fails
	Delay              // the call waits for Fault.Delay, or until its context is done, and then goes on
	Cut                // as if a cable were cut: calls fail, those that a Delay holds too, and a listing ends where it is
)

// The names of calls, for [Fault.Verb] and [Store.Calls].
const (
	Load        = "Load"
	Create      = "Create"
	Update      = "Update"
	Touch       = "Touch"
	Delete      = "Delete"
	List        = "List"
	DeleteOwner = "DeleteOwner"
	Count       = "Count"
	Clear       = "Clear"
	Sweep       = "Sweep"
	Ping        = "Ping"
)

// ErrInjected is what a call fails with where the fault names no error.
var ErrInjected = errors.New("faulty: injected failure")

// Fault says which calls fail, and how.
type Fault struct {
	Kind  Kind
	Verb  string        // the call that fails; "" is every one
	Skip  int           // so many matching calls go well first
	Times int           // so many fail; 0 is all until the fault is undone
	Err   error         // what they fail with; nil is ErrInjected
	Delay time.Duration // for Delay; 0 is until the context is done or the fault is undone

	// Between, if set, is called when the fault strikes: after the call was
	// applied, for After, and before it is, for the others.
	Between func()
}

func (f *Fault) err() error {
	if f.Err != nil {
		return f.Err
	}
	return ErrInjected
}

// Store is a store whose calls can be made to fail. It is safe for use by many
// goroutines. It must see every call, so it has no Unwrap and offers all optional
// abilities itself; those that the wrapped store lacks are [errors.ErrUnsupported].
type Store struct {
	inner store.Store

	mu     sync.Mutex
	faults []*active
	calls  map[string]int
}

// active is a fault that has not been undone.
type active struct {
	Fault
	seen, struck int
	undone       chan struct{}
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Sweeper      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
	_ io.Closer          = (*Store)(nil)
)

// New returns a store that passes every call on to s until a fault is set. Closing
// it closes s.
func New(s store.Store) *Store { return &Store{inner: s, calls: map[string]int{}} }

// Fail makes calls fail. undo ends that and returns how often the fault struck: a
// fault that was not seen to happen was not tested. Of several faults the one that
// was set first strikes.
func (s *Store) Fail(f Fault) (undo func() (struck int)) {
	a := &active{Fault: f, undone: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, a)
	if f.Kind == Cut {
		for _, other := range s.faults {
			if other.Kind == Delay {
				// Those that are held find the cut when they go on.
				close(other.undone)
				other.undone = make(chan struct{})
			}
		}
	}
	return func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i := slices.Index(s.faults, a); i >= 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
			close(a.undone)
		}
		return a.struck
	}
}

// Calls returns how many calls of the verb were made, whatever came of them; "" is
// of all verbs.
func (s *Store) Calls(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb != "" {
		return s.calls[verb]
	}
	n := 0
	for _, k := range s.calls {
		n += k
	}
	return n
}

// strike returns the fault that hits the next call of the verb.
func (s *Store) strike(verb string, kinds ...Kind) (f *Fault, undone chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.faults {
		if a.Verb != "" && a.Verb != verb || len(kinds) > 0 && !slices.Contains(kinds, a.Kind) {
			continue
		}
		if a.seen++; a.seen <= a.Skip || a.Times > 0 && a.struck >= a.Times {
			continue
		}
		a.struck++
		return &a.Fault, a.undone
	}
	return nil, nil
}

// call passes a call on, or has it fail.
func (s *Store) call(ctx context.Context, verb string, apply func() error) error {
	s.mu.Lock()
	s.calls[verb]++
	s.mu.Unlock()
	f, undone := s.strike(verb)
	if f == nil {
		return apply()
	}
	if f.Kind == After {
		err := apply()
		if f.Between != nil {
			f.Between()
		}
		if err != nil {
			return err // it was not applied
		}
		return fail(verb, f)
	}
	if f.Between != nil {
		f.Between()
	}
	if f.Kind != Delay {
		return fail(verb, f)
	}
	if err := wait(ctx, f.Delay, undone); err != nil {
		return fmt.Errorf("faulty: %s: %w", verb, err)
	}
	if cut, _ := s.strike(verb, Cut); cut != nil {
		return fail(verb, cut)
	}
	return apply()
}

func fail(verb string, f *Fault) error { return fmt.Errorf("faulty: %s: %w", verb, f.err()) }

// wait waits for d, 0 for ever, unless the context or the fault ends before.
func wait(ctx context.Context, d time.Duration, undone chan struct{}) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-undone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
