package conformance_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/store"
)

// server plays the part of a database: it keeps rows, judges lifetimes by its
// own clock, and applies one command at a time.
type server struct {
	mu     sync.Mutex
	spaces map[string]*table
	closed bool // the client of it, by a bug
}

// table is what the server keeps of one space.
type table struct {
	rows  map[string]row
	disk  map[string]row                 // what a kill leaves
	index map[string]map[string]struct{} // owner to ids
}

type row struct {
	data     []byte
	owner    string
	revision store.Revision
	deadline time.Time
	first    time.Time     // the deadline that the last Create or Update set: a right store has no use for it
	ttl      time.Duration // as it was given: nor for this
	broken   bool
}

func (x row) left() time.Duration { return time.Until(x.deadline) }

// space is one store's part of the server, with the connection to it.
type space struct {
	*server
	*table
	bug   string
	delay time.Duration // of each request
	unit  time.Duration // of the server's clock
	knows bool          // the repeat of what was applied, and answers it as before

	fm     sync.Mutex
	fault  *conformance.Fault
	struck int
	lifted chan struct{} // closed when the fault is
	failed bool          // a request has been refused
	lost   bool          // the index was lost
	epoch  atomic.Int64  // counts kills
	sweeps atomic.Int32  // that run now
}

// is reports whether the store has the bug.
func (sp *space) is(bug string) bool { return sp.bug == bug }

var (
	errRefused  = errors.New("connection refused")
	errRejected = errors.New("server error 42")
	errReset    = errors.New("connection reset")
	errTimeout  = errors.New("no answer in time")
)

const (
	maxData     = 1<<20 + 1<<10
	callTimeout = 2 * time.Second
)

func newTable() *table {
	return &table{rows: map[string]row{}, disk: map[string]row{}, index: map[string]map[string]struct{}{}}
}

// jitter is the way to the server or back. It lets other calls in between.
func jitter(ctx context.Context) error {
	d := time.Duration(rand.IntN(60)) * time.Microsecond
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > time.Second {
		time.Sleep(d)
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// travel is the way to the server, with its delay.
func (sp *space) travel(ctx context.Context) error {
	if sp.delay == 0 {
		return jitter(ctx)
	}
	timer := time.NewTimer(sp.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// strike returns the fault that hits the next request.
func (sp *space) strike() (conformance.Fault, chan struct{}) {
	sp.fm.Lock()
	defer sp.fm.Unlock()
	if sp.fault == nil {
		return conformance.Fault{}, nil
	}
	f := *sp.fault
	sp.struck++
	sp.failed = sp.failed || f.Kind == conformance.Refuse || f.Kind == conformance.Reject
	if f.Kind == conformance.LoseReply || f.Kind == conformance.LoseRequest {
		sp.fault = nil
	}
	return f, sp.lifted
}

// fail is Subject.Break.
func (sp *space) fail(_ context.Context, f conformance.Fault) (func() int, error) {
	sp.fm.Lock()
	defer sp.fm.Unlock()
	sp.fault, sp.struck, sp.lifted = &f, 0, make(chan struct{})
	return func() int {
		sp.fm.Lock()
		defer sp.fm.Unlock()
		sp.fault = nil
		close(sp.lifted)
		return sp.struck
	}, nil
}

func (sp *space) hasFailed() bool {
	sp.fm.Lock()
	defer sp.fm.Unlock()
	return sp.failed
}

// send has the server apply a command, for a store opened in the given epoch.
func (sp *space) send(ctx context.Context, epoch int64, apply func()) error {
	if sp.is("never comes back") && sp.hasFailed() {
		return errRefused
	}
	if err := sp.travel(ctx); err != nil {
		return err
	}
	f, lifted := sp.strike()
	switch f.Kind {
	case conformance.Refuse:
		return errRefused
	case conformance.Reject:
		return errRejected
	case conformance.Hang:
		timer := time.NewTimer(callTimeout)
		defer timer.Stop()
		if sp.is("deaf to its context") {
			ctx = context.WithoutCancel(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lifted:
			return errReset
		case <-timer.C:
			return errTimeout
		}
	case conformance.LoseRequest:
		if f.Between != nil {
			f.Between()
		}
		return errReset
	}
	sp.mu.Lock()
	if sp.epoch.Load() != epoch {
		sp.mu.Unlock()
		return errReset
	}
	apply()
	sp.mu.Unlock()
	if f.Kind == conformance.LoseReply {
		if f.Between != nil {
			f.Between()
		}
		return errReset
	}
	if rand.IntN(4) > 0 {
		return nil // some replies take no time
	}
	return jitter(ctx)
}

// live is the row under id, for a command.
func (sp *space) live(id string) (row, error) {
	x, ok := sp.rows[id]
	if !ok {
		return x, store.ErrNotFound
	}
	grace := time.Duration(0)
	switch {
	case sp.is("expiry by the sweeper only"):
		grace = 1 << 62
	case sp.is("a grace of a minute"):
		grace = time.Minute
	case sp.is("a grace of half a second"):
		grace = time.Second / 2
	}
	if x.left() <= -grace {
		return x, store.ErrNotFound
	}
	if x.broken {
		if sp.is("the unreadable is not found") {
			return x, store.ErrNotFound
		}
		return x, store.ErrCorrupt
	}
	return x, nil
}

// own and disown keep the owner's index.
func (sp *space) own(id, owner string) {
	owner = sp.fold(owner)
	if owner == "" {
		return
	}
	if sp.index[owner] == nil {
		sp.index[owner] = map[string]struct{}{}
	}
	sp.index[owner][id] = struct{}{}
}

func (sp *space) disown(id, owner string) {
	owner = sp.fold(owner)
	delete(sp.index[owner], id)
	if len(sp.index[owner]) == 0 {
		delete(sp.index, owner)
	}
}

func (sp *space) put(id string, x row) {
	old, there := sp.rows[id]
	if there && old.owner != x.owner && !sp.is("the old owner keeps it") && !sp.is("DeleteOwner believes its index") &&
		!(sp.is("the expired stay with their owner") && old.left() <= 0) {
		sp.disown(id, old.owner)
	}
	if sp.is("Load hands out its own bytes") && there && len(old.data) == len(x.data) && len(x.data) > 32 {
		copy(old.data, x.data)
		x.data = old.data
	}
	if sp.is("a shorter write leaves the rest") && len(old.data) > len(x.data) {
		x.data = slices.Concat(x.data, old.data[len(x.data):])
	}
	sp.rows[id] = x
	if !sp.is("not on disk") {
		sp.disk[id] = x
	}
	sp.own(id, x.owner)
}

func (sp *space) drop(id string) {
	x, there := sp.rows[id]
	switch {
	case sp.is("Delete forgets the whole owner"):
		delete(sp.index, x.owner)
	case there && !sp.is("index entries stay"):
		sp.disown(id, x.owner)
	}
	delete(sp.rows, id)
	if !sp.is("deletes are not on disk") {
		delete(sp.disk, id)
	}
}

// crash is a kill: what is not on disk is gone.
func (sp *space) crash() {
	one, all := sp.is("a kill tears what is written"), sp.is("a kill tears all that is written, and clients go on")
	if !all {
		sp.epoch.Add(1)
	}
	for id, x := range sp.disk {
		if (one || all) && len(x.data) > 4096 {
			x.data = x.data[:4096]
			sp.disk[id] = x
			if one {
				break
			}
		}
	}
	sp.rows = maps.Clone(sp.disk)
	clear(sp.index)
	for id, x := range sp.rows {
		if !sp.is("the index is not on disk") {
			sp.own(id, x.owner)
		}
	}
}
