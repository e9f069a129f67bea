package session

// Event is something that [Options.Events] is told. It holds no id and no data.
type Event struct {
	Kind Kind
	Err  error // why, where the kind says so; nil otherwise
}

// Kind is what happened.
type Kind string

// The kinds of events.
const (
	Created    Kind = "created"    // a session was stored for the first time
	Ended      Kind = "ended"      // Destroy was called
	Expired    Kind = "expired"    // a cookie named a session whose absolute timeout is over, and it was deleted; Err says why that failed
	Gone       Kind = "gone"       // a session ended while a request was using it; that request's changes are dropped
	UnknownID  Kind = "unknown id" // a cookie named no session: expired, ended, or not issued by us
	Malformed  Kind = "malformed"  // a cookie of our name held what no id looks like; the store was not asked
	Ambiguous  Kind = "ambiguous"  // a request had more than one cookie of our name; none was used
	Conflict   Kind = "conflict"   // another request was quicker, and the changes were merged
	Unreadable Kind = "unreadable" // a value does not decode as its key's type; Err says why
	TouchError Kind = "touch"      // a life could not be extended; Err says why, and the request went on
	SaveError  Kind = "save"       // a session could not be saved, and OnError answered; Err says why
)

// tell passes on an event. The context is that of the request before it had a
// session: a function that asked for it here would wait for itself.
func (sc *scope) tell(kind Kind, err error) {
	if sc.m.opts.Events != nil {
		sc.m.opts.Events(sc.Context, Event{Kind: kind, Err: err})
	}
}
