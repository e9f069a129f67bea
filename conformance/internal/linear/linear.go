// Package linear decides whether a history of concurrent calls on one session is
// linearizable (UPDATE-6): whether there is an order of the calls in which each
// takes effect at one moment between its call and its return, and every answer is
// the one that a store without concurrency would have given.
//
// The session is a register. Either nothing is live, which is how a history
// begins, or one value is, with its revision. A Touch is a Load that needs a
// session. A write of unknown outcome took effect once, at any moment after its
// call, or never (FAIL-5).
//
// The search is that of Wing and Gong (Testing and Verifying Concurrent Objects,
// 1993) with Lowe's memory of what has been looked at (Testing for
// Linearizability, 2017).
package linear

import (
	"fmt"
	"math"
)

// maxOps is how many calls fit into the set of those that took effect.
const maxOps = 64

// Verdict is what [Check] found out.
type Verdict uint8

// The verdicts.
const (
	Linearizable Verdict = iota // an order explains every answer
	Illegal                     // none does
	Undecided                   // the steps did not suffice to find out: neither pass nor fail
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	if names := [...]string{"linearizable", "illegal", "undecided"}; int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// Check looks for an order that explains every answer in ops, which may stand in
// any sequence. It looks at no more than steps situations, a situation being the
// calls that have taken effect and what is live after them. More than 64 calls
// are Undecided.
//
// It relies on the promises made at [Op]. Given them, whatever the order:
//   - a value that was read and never written is Illegal;
//   - a value has one revision, and a revision belongs to one value: anything
//     else is Illegal (UPDATE-5);
//   - the revision of a write of unknown outcome is that with which its value was
//     read. If nobody read it, nobody knows it, and no base equals it;
//   - an answer that the verb cannot give, such as ErrConflict to a Load, is
//     Illegal. ErrNotFound to a Delete says that nothing was live: that it ought
//     to be no error is another requirement (DELETE-2).
func Check(ops []Op, steps int) Verdict {
	if len(ops) > maxOps {
		return Undecided
	}
	s := search{ops: ops, steps: steps, seen: map[situation]struct{}{}}
	if !s.matchRevisions() {
		return Illegal
	}
	var start situation
	for i, o := range ops {
		switch {
		case o.Outcome != Unknown:
			s.answered |= 1 << i
		case o.Kind == Load || o.Kind == Touch:
			start.done |= 1 << i // explains nothing and changes nothing
		}
	}
	switch {
	case s.explains(start):
		return Linearizable
	case s.spent:
		return Undecided
	}
	return Illegal
}

// situation is a point of the search. A value is written once and has one
// revision, so the live value alone, 0 for none, is the whole state.
type situation struct {
	done uint64 // the calls that have taken effect, a bit each
	live uint64
}

type search struct {
	ops      []Op
	value    map[uint64]uint64 // by revision, of every revision that was answered
	answered uint64            // the calls that must take effect, a bit each
	seen     map[situation]struct{}
	steps    int
	spent    bool // the steps ran out
}

// matchRevisions finds the value of each revision. It reports false if the answers
// contradict each other in this already.
func (s *search) matchRevisions() bool {
	revision := map[uint64]uint64{} // by value, 0 while unknown
	for _, o := range s.ops {
		if o.Kind == Create || o.Kind == Update {
			revision[o.Value] = 0
		}
	}
	s.value = map[uint64]uint64{}
	for _, o := range s.ops {
		if o.Outcome != OK || o.Kind == Touch || o.Kind == Delete {
			continue
		}
		r, written := revision[o.Value]
		v, taken := s.value[o.Rev]
		if !written || o.Rev == 0 || r != 0 && r != o.Rev || taken && v != o.Value {
			return false
		}
		revision[o.Value], s.value[o.Rev] = o.Rev, o.Value
	}
	return true
}

// explains reports whether the calls that are not done can follow at in some order.
func (s *search) explains(at situation) bool {
	if at.done&s.answered == s.answered {
		return true // what is left is of unknown outcome, and never happened
	}
	if _, ok := s.seen[at]; ok {
		return false
	}
	if s.steps <= 0 {
		s.spent = true
		return false
	}
	s.steps--
	s.seen[at] = struct{}{}

	// Whoever called after another one had returned comes after it.
	first := int64(math.MaxInt64)
	for i, o := range s.ops {
		if at.done&(1<<i) == 0 && o.Outcome != Unknown {
			first = min(first, o.Return)
		}
	}
	var next [maxOps]situation
	n := 0
	for i, o := range s.ops {
		if at.done&(1<<i) != 0 || o.Call > first {
			continue
		}
		live, ok := s.apply(o, at.live)
		if !ok {
			continue
		}
		next[n] = situation{at.done | 1<<i, live}
		if o.reads() {
			// It may come now and changes nothing for the others, so if any
			// order is right, one with it in this place is.
			return s.explains(next[n])
		}
		n++
	}
	for _, to := range next[:n] {
		if s.explains(to) {
			return true
		}
	}
	return false
}

// apply returns what is live after o took effect, and whether o can be answered as
// it was when live is what it found.
func (s *search) apply(o Op, live uint64) (after uint64, ok bool) {
	isBase := live != 0 && s.value[o.Base] == live
	switch o.Outcome {
	case NotFound:
		return live, live == 0 && o.Kind != Create
	case Exists:
		return live, live != 0 && o.Kind == Create
	case Conflict:
		return live, live != 0 && !isBase && o.Kind == Update
	}
	switch o.Kind { // OK, or Unknown and happened
	case Load:
		return live, live == o.Value
	case Touch:
		return live, live != 0
	case Create:
		return o.Value, live == 0
	case Update:
		return o.Value, isBase
	default:
		return 0, true
	}
}
