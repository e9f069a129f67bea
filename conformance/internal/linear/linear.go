// Package linear decides whether a history of concurrent calls on one session is
// linearizable: whether some order of the calls, in which each takes effect
// between its begin and its end, explains every result.
//
// It is the search of Wing and Gong with the memory of Lowe: a set of calls that
// have taken effect, with the state that they led to, is looked at once.
package linear

import "fmt"

// Kind is which verb a call was.
type Kind uint8

// The verbs.
const (
	Load Kind = iota
	Create
	Update
	Touch
	Delete
)

// Outcome is what came of a call.
type Outcome uint8

// The outcomes.
const (
	OK Outcome = iota
	NotFound
	Exists
	Conflict
	Unknown // applied once, at any time after the call, or never
)

// Op is one call.
type Op struct {
	Client  int
	Kind    Kind
	Outcome Outcome

	// Call and Return are stamps from one atomic counter. Return of an Unknown
	// is ignored: it is at infinity.
	Call, Return int64

	Value uint64 // Create, Update: what was written, unique, never 0; Load OK: what was read
	Rev   uint64 // Create, Update OK: the revision returned; Load OK: the revision read
	Base  uint64 // Update: the revision passed
}

// String is the call in one line, for a person who looks for the mistake.
func (o Op) String() string {
	kind := [...]string{"Load", "Create", "Update", "Touch", "Delete"}[o.Kind]
	outcome := [...]string{"ok", "ErrNotFound", "ErrExists", "ErrConflict", "unknown"}[o.Outcome]
	s := fmt.Sprintf("client %d, %2d to %2d: %s", o.Client, o.Call, o.Return, kind)
	switch o.Kind {
	case Create:
		s += fmt.Sprintf("(value %d)", o.Value)
	case Update:
		s += fmt.Sprintf("(value %d, base %04x)", o.Value, o.Base>>48)
	}
	s += " = " + outcome
	if o.Outcome == OK && o.Rev != 0 {
		s += fmt.Sprintf(", revision %04x", o.Rev>>48)
		if o.Kind == Load {
			s += fmt.Sprintf(", value %d", o.Value)
		}
	}
	return s
}

// Verdict is what Check found.
type Verdict uint8

// The verdicts.
const (
	Linearizable Verdict = iota
	Illegal
	Undecided // out of steps: neither
)

// Check looks for an order, for at most so many steps. It takes up to 64 calls.
//
// The state is the value that is live, 0 for none: each write has a value of its
// own, and a value has one revision, so a value says everything.
func Check(ops []Op, steps int) Verdict {
	if len(ops) > 64 {
		return Undecided
	}
	revOf, valueOf := map[uint64]uint64{}, map[uint64]uint64{}
	written := map[uint64]bool{}
	for _, o := range ops {
		if o.Kind == Create || o.Kind == Update {
			written[o.Value] = true
		}
	}
	for _, o := range ops {
		if o.Outcome != OK || o.Kind == Touch || o.Kind == Delete {
			continue
		}
		r, known := revOf[o.Value]
		v, taken := valueOf[o.Rev]
		if !written[o.Value] || o.Rev == 0 || known && r != o.Rev || taken && v != o.Value {
			return Illegal // read from nowhere, or one revision for two values
		}
		revOf[o.Value], valueOf[o.Rev] = o.Rev, o.Value
	}
	s := search{ops: ops, valueOf: valueOf, steps: steps, seen: map[node]bool{}}
	for i, o := range ops {
		if o.Outcome != Unknown {
			s.known |= 1 << i
		}
	}
	switch {
	case s.from(node{}):
		return Linearizable
	case s.steps <= 0:
		return Undecided
	}
	return Illegal
}

type node struct{ done, live uint64 }

type search struct {
	ops     []Op
	valueOf map[uint64]uint64 // by revision
	known   uint64            // calls that must take effect
	seen    map[node]bool
	steps   int
}

func (s *search) from(n node) bool {
	if n.done&s.known == s.known {
		return true
	}
	if s.seen[n] {
		return false
	}
	if s.steps--; s.steps <= 0 {
		return false
	}
	s.seen[n] = true
	first := int64(1<<63 - 1) // the earliest end of what has not taken effect
	for i, o := range s.ops {
		if n.done&(1<<i) == 0 && o.Outcome != Unknown {
			first = min(first, o.Return)
		}
	}
	for i, o := range s.ops {
		if n.done&(1<<i) != 0 || o.Call > first {
			continue
		}
		if live, ok := s.apply(o, n.live); ok && s.from(node{n.done | 1<<i, live}) {
			return true
		}
	}
	return false
}

// apply returns the state after o, and whether o's result fits the one before.
func (s *search) apply(o Op, live uint64) (uint64, bool) {
	base, seen := s.valueOf[o.Base]
	isBase := live != 0 && seen && base == live
	switch o.Outcome {
	case NotFound:
		return live, live == 0
	case Exists:
		return live, live != 0
	case Conflict:
		return live, live != 0 && !isBase
	}
	switch o.Kind {
	case Load:
		return live, o.Outcome == Unknown || live == o.Value
	case Touch:
		return live, o.Outcome == Unknown || live != 0
	case Create:
		return o.Value, live == 0
	case Update:
		return o.Value, isBase
	default:
		return 0, true
	}
}
