package linear

import "fmt"

// Kind is the verb of a call.
type Kind uint8

// The verbs.
const (
	Load Kind = iota
	Create
	Update
	Touch
	Delete
)

// String returns the verb as it is called.
func (k Kind) String() string {
	if names := [...]string{"Load", "Create", "Update", "Touch", "Delete"}; int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Outcome is how a call was answered.
type Outcome uint8

// The outcomes.
const (
	OK       Outcome = iota
	NotFound         // store.ErrNotFound
	Exists           // store.ErrExists
	Conflict         // store.ErrConflict
	Unknown          // any other error: it happened once, at any moment after the call, or never
)

// String returns the outcome by the name of its error.
func (o Outcome) String() string {
	if names := [...]string{"ok", "ErrNotFound", "ErrExists", "ErrConflict", "unknown"}; int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Op is one call of a history.
type Op struct {
	Client  int
	Kind    Kind
	Outcome Outcome

	// Call and Return are stamps of one atomic counter: no two are the same, and
	// Call is below Return. Return of an Unknown is ignored: it is at infinity.
	Call, Return int64

	Value uint64 // Create, Update: what was written, unique for each attempt, never 0; Load OK: what was read
	Rev   uint64 // Create, Update OK: the revision returned; Load OK: the revision read
	Base  uint64 // Update: the revision passed
}

// String returns the call in one line, stamps first and revisions in hexadecimal:
//
//	client 2 17-23: Update value 7 base 9f3c = ok revision 51d0
//
// The golden histories in testdata are written in the same form, so that one from
// a failed run can be kept as it was printed.
func (o Op) String() string {
	s := fmt.Sprintf("client %d %d-", o.Client, o.Call)
	if o.Outcome != Unknown {
		s += fmt.Sprint(o.Return)
	}
	s += ": " + o.Kind.String()
	if o.Kind == Create || o.Kind == Update {
		s += fmt.Sprintf(" value %d", o.Value)
	}
	if o.Kind == Update {
		s += fmt.Sprintf(" base %x", o.Base)
	}
	s += " = " + o.Outcome.String()
	if o.Outcome != OK {
		return s
	}
	if o.Kind == Load {
		s += fmt.Sprintf(" value %d", o.Value)
	}
	if o.Kind == Load || o.Kind == Create || o.Kind == Update {
		s += fmt.Sprintf(" revision %x", o.Rev)
	}
	return s
}

// reads reports whether o changes nothing, whenever it takes effect.
func (o Op) reads() bool {
	return o.Kind == Load || o.Kind == Touch || o.Outcome != OK && o.Outcome != Unknown
}
