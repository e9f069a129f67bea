package proxy

import (
	"slices"
	"sync"
	"time"
)

// Kind is a way to fail.
type Kind string

// The ways to fail. A connection that is reset gets an RST.
const (
	// Refuse resets open connections, and has the kernel refuse new ones. Those the
	// proxy does not see: it counts those that [Proxy.DialContext] tried.
	Refuse Kind = "refuse"

	// Reset resets open connections, and new ones when they are there.
	Reset Kind = "reset"

	// DropRequests is a hole before the server: what the client sends does not
	// arrive, and nothing is answered.
	DropRequests Kind = "drop requests"

	// DropReplies is a hole behind the server: what the client sends arrives, and
	// nothing is answered.
	DropReplies Kind = "drop replies"

	// HalfClose ends the replies of open and new connections with a FIN. What the
	// client sends still arrives.
	HalfClose Kind = "half-close"

	// Slow lets one byte through per Delay.
	Slow Kind = "slow"

	// Latency hands on everything Delay after it came, each way; a Delay of 0 holds it
	// until the fault is undone.
	Latency Kind = "latency"

	// Cut lets Bytes bytes through, counted over all connections since the fault
	// began, and breaks the connection in place of the next. It strikes once.
	Cut Kind = "cut"

	// LoseRequest breaks the connection of the next write before the write
	// arrives. It strikes once.
	LoseRequest Kind = "lose request"

	// LoseReply lets the next write arrive, waits until its reply has ended and
	// breaks the connection in place of the reply. It strikes once.
	LoseReply Kind = "lose reply"

	// Errors changes nothing and counts the errors that the server answers with, for
	// a fault that a test makes in the server.
	Errors Kind = "errors"
)

// Side is a direction.
type Side int

// The directions.
const (
	Both     Side = iota
	Requests      // from the client to the server
	Replies       // from the server to the client
)

// Fault says how connections fail.
type Fault struct {
	Kind  Kind
	Side  Side          // of Slow, Latency and Cut; of Cut, Both is the sum
	Delay time.Duration // of Slow and Latency
	Bytes int           // of Cut: so many arrive
	FIN   bool          // of Cut, LoseRequest and LoseReply: the client's connection ends with a FIN, not with an RST

	// Between, if set, is called by LoseRequest and LoseReply when the request is lost
	// or the reply has ended, before the client can know. It must not undo its
	// own fault.
	Between func()

	// Struck, if set, is called each time that the fault strikes, for a test that waits
	// for it. It must return at once and not call the proxy.
	Struck func()
}

// active is a fault that has not been undone.
type active struct {
	Fault
	struck int
	links  map[*link]struct{} // that were struck
	left   int                // bytes, until Cut strikes
	spent  bool               // what strikes once has done so, or is about to
	lifted chan struct{}      // closed when the fault is undone
	busy   sync.WaitGroup     // calls of Between
}

// hit counts the connection, once. The caller has the lock.
func (a *active) hit(l *link) {
	if _, again := a.links[l]; !again {
		a.links[l] = struct{}{}
		a.strike()
	}
}

// strike counts. The caller has the lock.
func (a *active) strike() {
	a.struck++
	if a.Struck != nil {
		a.Struck()
	}
}

// keeps reports whether the fault leaves connections as they were.
func (a *active) keeps() bool { return a.Kind == Slow || a.Kind == Latency || a.Kind == Errors }

// Fail begins a fault. Several can be on at a time; of two of one kind the one that
// was set first strikes.
//
// undo ends it and returns how often it struck: how many connections for most kinds,
// 0 or 1 for those that strike once, and for Errors how many errors. A fault that was
// not seen to strike was not tested. Connections that hang by the fault are reset
// then, so that nothing waits for ever, and all others live on. When undo returns, no
// Between runs any more, and after Refuse the port listens. A second call returns the
// same.
//
// LoseRequest, LoseReply and Errors need a protocol: without one Fail panics.
func (p *Proxy) Fail(f Fault) (undo func() (struck int)) {
	a := &active{Fault: f, left: f.Bytes, links: map[*link]struct{}{}, lifted: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.protocol == nil && (f.Kind == LoseRequest || f.Kind == LoseReply || f.Kind == Errors) {
		panic("proxy: the fault " + string(f.Kind) + " needs a protocol, see SetProtocol")
	}
	if p.closed {
		return func() int { return 0 }
	}
	p.faults = append(p.faults, a)
	if f.Kind == Refuse {
		p.note(p.port.deafen())
	}
	for l := range p.links {
		l.met(a)
	}
	return sync.OnceValue(func() int { return p.lift(a) })
}

// lift ends a fault.
func (p *Proxy) lift(a *active) int {
	p.mu.Lock()
	p.remove(a)
	p.mu.Unlock()
	a.busy.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return a.struck
}

// remove takes a fault away, and resets what hangs by it. The caller has the lock.
func (p *Proxy) remove(a *active) {
	i := slices.Index(p.faults, a)
	if i < 0 {
		return // Close has done it
	}
	p.faults = slices.Delete(p.faults, i, i+1)
	close(a.lifted)
	for l := range p.links {
		if _, struck := a.links[l]; struck && !a.keeps() || l.losing == a {
			l.end(true)
		}
	}
	if a.Kind == Refuse && p.find(Refuse, Both) == nil && !p.closed {
		p.note(p.port.listen())
	}
}

// find returns the fault of the kind that strikes next, in that direction. The caller
// has the lock.
func (p *Proxy) find(kind Kind, side Side) *active {
	for _, a := range p.faults {
		if a.Kind == kind && !a.spent && (side == Both || a.Side == Both || a.Side == side) {
			return a
		}
	}
	return nil
}
