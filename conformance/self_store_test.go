package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// reference is a right store on such a server. With a bug it is a wrong one: each
// is has a bug's name, and where it says no, which it does for the right store,
// nothing happens.
type reference struct {
	*space
	opened  int64         // the epoch
	skew    time.Duration // how wrong this process's clock is
	closed  atomic.Bool
	stop    chan struct{}
	bg      sync.WaitGroup
	busy    atomic.Int32  // for bugs, from here on
	cache   sync.Map      // id to Entry, as it was loaded
	stale   sync.Map      // those that Load answers from
	listing sync.RWMutex  // held by listings
	refused sync.Mutex    // held after a refusal
	buffer  []byte        // of the server's lock
	conns   chan struct{} // what listings hold
}

func newReference(sp *space) *reference {
	r := &reference{space: sp, opened: sp.epoch.Load(), stop: make(chan struct{}), conns: make(chan struct{}, 10)}
	if r.is("Close leaves a goroutine") {
		go r.linger()
	}
	return r
}

// linger ends long after Close; a bubble ends only when its goroutines do.
func (r *reference) linger() { <-r.stop; time.Sleep(time.Minute) }

// plainRecord is for rows of which only the lifetime is asked.
var plainRecord = store.Record{Data: []byte("x")}

func (r *reference) forget(id string) {
	r.cache.Delete(id)
	r.stale.Delete(id)
}

// begin refuses what every call refuses: check is what package store says.
func (r *reference) begin(ctx context.Context, check error) error {
	if r.closed.Load() && !r.is("closed and goes on") {
		if r.is("closed, in the driver's words") {
			return errRefused
		}
		return store.ErrClosed
	}
	if check == nil {
		return nil
	}
	invalid := errors.Is(check, store.ErrInvalid)
	switch {
	case errors.Is(check, store.ErrTooLarge):
	case r.is("asks with a context that is done") && !invalid:
		return nil
	case r.is("the cause is lost") && !invalid:
		return ctx.Err()
	case r.is("a context's end is ErrNotFound") && !invalid:
		return store.ErrNotFound
	case r.is("asks before it looks at its arguments") && invalid:
		if err := r.ask(ctx, func() {}); err != nil {
			return err
		}
	}
	return check
}

// ask has the server apply a command once.
func (r *reference) ask(ctx context.Context, apply func()) error {
	if r.is("one connection, busy") {
		if !r.busy.CompareAndSwap(0, 1) {
			return errors.New("conn busy")
		}
		defer r.busy.Store(0)
	}
	if r.is("a stopped listing keeps its connection") {
		select {
		case r.conns <- struct{}{}:
			defer func() { <-r.conns }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := r.send(ctx, r.opened, apply)
	if err != nil && r.is("a context's end is ErrNotFound") && ctx.Err() != nil {
		return store.ErrNotFound
	}
	return err
}

// write sends a write until its reply arrives. again is whether an attempt
// before this one may have been applied.
func (r *reference) write(ctx context.Context, apply func(again bool)) error {
	if r.is("a listing holds a lock") {
		r.listing.Lock() // waits for listings; held no longer, since a bubble's time stands still in the wait for a lock
		//lint:ignore SA2001 to wait is all
		r.listing.Unlock()
	}
	again, applied := false, false
	for range 5 {
		err := r.ask(ctx, func() {
			if !applied || !r.knows {
				apply(again)
				applied = true
			}
		})
		if !errors.Is(err, errReset) || r.epoch.Load() != r.opened {
			if err != nil && r.is("a failing write is fine") && ctx.Err() == nil {
				return nil
			}
			return err
		}
		switch {
		case r.is("a lost reply is an error"):
			return err
		case r.is("a lost reply is ErrUnknown"):
			return store.ErrUnknown
		case r.is("a lost reply is a success"):
			return nil
		}
		again = !r.is("a repeat that nobody knows of") && !r.knows
	}
	return store.ErrUnknown
}

// end wraps the error of a call, which must not name the session.
func (r *reference) end(verb, id string, err error) error {
	switch {
	case err == nil:
		return nil
	case r.is("errors quote the id"):
		return fmt.Errorf("%s %q: %w", verb, id, err)
	case r.is("errors hold the id in hex"):
		return fmt.Errorf("%s %x: %w", verb, id, err)
	case r.is("errors hold the beginning of the id"):
		return fmt.Errorf("%s %.12s…: %w", verb, id, err)
	case r.is("the driver's words are passed on") && errors.Is(err, errRejected):
		return fmt.Errorf("%s: %w: duplicate key (%s)", verb, err, id)
	}
	return fmt.Errorf("reference: %s: %w", verb, err)
}

func (r *reference) Load(ctx context.Context, id string) (store.Entry, error) {
	check := store.CheckLoad(ctx, id)
	if r.is("any id is loaded") && store.CheckID(id) != nil {
		check = store.CheckContext(ctx)
	}
	if err := r.begin(ctx, check); err != nil {
		return store.Entry{}, r.end("load", id, err)
	}
	if e, ok := r.stale.Load(id); ok {
		return e.(store.Entry), nil
	}
	var e store.Entry
	var failed error
	err := r.ask(ctx, func() {
		var x row
		if x, failed = r.live(r.key(id)); failed == nil {
			e = store.Entry{Record: store.Record{Data: bytes.Clone(x.data), Owner: x.owner}, Revision: x.revision, TTL: x.left()}
		}
		r.loaded(r.key(id), x, &e, &failed)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		if r.is("a failing read is an empty one") && (errors.Is(err, errRefused) || errors.Is(err, errRejected)) {
			err = store.ErrNotFound
		}
		return store.Entry{}, r.end("load", id, err)
	}
	switch {
	case r.is("a cache that others do not clear"):
		r.stale.Store(id, e)
	case r.is("a cache that DeleteOwner does not clear"):
		r.cache.Store(id, e)
	}
	return e, nil
}

func (r *reference) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := r.begin(ctx, r.lenient(store.CheckCreate(ctx, id, rec, ttl, r.limit()), id, rec, ttl, 1)); err != nil {
		return 0, r.end("create", id, r.refuse(err, id, rec))
	}
	rev := r.chosen(0, rec)
	k := r.key(id)
	blind, err := r.looksFirst(ctx, k)
	if err != nil {
		return 0, r.end("create", id, err)
	}
	var failed error
	err = r.write(ctx, func(again bool) {
		failed = nil
		if r.is("each repeat has its own revision") {
			rev = store.NewRevision()
		}
		if r.is("the index comes first") {
			r.own(k, rec.Owner)
		}
		x, err := r.live(k)
		switch {
		case errors.Is(err, store.ErrCorrupt) && !r.is("the unreadable is written over"):
			failed = err
		case err == nil && again && x.revision == rev:
		case err == nil && again:
			if !r.is("any change is taken for its own") {
				failed = store.ErrUnknown
			}
		case err == nil && !blind && !r.is("Create replaces what is there"):
			failed = store.ErrExists
			if r.is("a refused Create sets the lifetime") {
				x.deadline = r.row(rec, ttl, 0).deadline
				r.put(k, x)
			}
		case r.is("the dead keep their ids") && r.dead(k):
			failed = store.ErrExists
		default:
			r.put(k, r.row(rec, ttl, rev))
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		if r.is("a failing Create is ErrExists") && errors.Is(err, errRejected) {
			err = store.ErrExists
		}
		return 0, r.end("create", id, err)
	}
	r.forget(id)
	if r.is("Create returns revision 0") {
		return 0, nil
	}
	return rev, nil
}

func (r *reference) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := r.begin(ctx, r.lenient(store.CheckUpdate(ctx, id, rec, ttl, base, r.limit()), id, rec, ttl, base)); err != nil {
		return 0, r.end("update", id, r.refuse(err, id, rec))
	}
	rev := r.chosen(base, rec)
	k := r.key(id)
	if r.is("Update looks, then writes") {
		if err := r.updatesBlindly(ctx, k, r.row(rec, ttl, rev), base); err != nil {
			return 0, r.end("update", id, err)
		}
		return rev, nil
	}
	if err := r.updatesHalf(ctx, k, rec, base); err != nil {
		return 0, r.end("update", id, err)
	}
	var failed error
	err := r.write(ctx, func(again bool) {
		failed = nil
		if r.is("each repeat has its own revision") {
			rev = store.NewRevision()
		}
		if r.is("the index comes first") {
			r.own(k, rec.Owner)
		}
		x, err := r.live(k)
		switch {
		case errors.Is(err, store.ErrCorrupt):
			failed = err
		case r.is("a repeat writes blindly") && again:
			r.put(k, r.row(rec, ttl, rev))
		case err == nil && again && x.revision == rev:
		case err == nil && r.matches(x, base):
			if r.is("rows changed, not matched") && bytes.Equal(x.data, rec.Data) && x.owner == rec.Owner {
				failed = store.ErrConflict
				return
			}
			next := r.updated(x, r.row(rec, ttl, rev))
			if r.is("Update heals no index") && r.lost {
				r.rows[k], r.disk[k] = next, next
				return
			}
			r.put(k, next)
		case again:
			if !r.is("any change is taken for its own") {
				failed = store.ErrUnknown
			}
		case err != nil:
			failed = err
			r.updatedNothing(k, r.row(rec, ttl, rev), base, &failed)
		default:
			failed = store.ErrConflict
			r.conflicted(k, &failed)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, r.end("update", id, err)
	}
	r.forget(id)
	if r.is("half of a write, by its context") && rec.Owner != "" {
		if err := r.ask(ctx, func() { r.own(k, rec.Owner) }); err != nil && ctx.Err() != nil {
			r.mu.Lock()
			r.disown(k, rec.Owner)
			r.mu.Unlock()
			return 0, r.end("update", id, err)
		}
	}
	return rev, nil
}

func (r *reference) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := r.begin(ctx, r.lenient(store.CheckTouch(ctx, id, ttl), id, store.Record{}, ttl, 1)); err != nil {
		return r.end("touch", id, err)
	}
	k := r.key(id)
	if r.is("Touch loads, then writes all") {
		return r.end("touch", id, r.touchesBlindly(ctx, k, ttl))
	}
	var failed error
	err := r.write(ctx, func(bool) {
		var x row
		x, failed = r.live(k)
		if failed != nil {
			r.touchedNothing(k, x, r.row(plainRecord, ttl, store.NewRevision()), &failed)
			return
		}
		next := x
		next.deadline, next.ttl = r.row(plainRecord, ttl, 0).deadline, ttl
		if next, failed = r.touched(x, next); failed != nil {
			return
		}
		if r.is("Touch heals no index") && r.lost {
			r.rows[k], r.disk[k] = next, next
			return
		}
		r.put(k, next)
	})
	if err == nil {
		err = failed
	}
	r.forget(id)
	if r.is("touches are written once more, later") && err == nil {
		r.writesLater(k)
	}
	return r.end("touch", id, err)
}

func (r *reference) Delete(ctx context.Context, id string) error {
	if err := r.begin(ctx, store.CheckDelete(ctx, id)); err != nil {
		return r.end("delete", id, err)
	}
	k := r.key(id)
	var failed error
	err := r.write(ctx, func(bool) {
		if !r.deletedWrongly(k, &failed) {
			r.drop(k)
		}
	})
	if err == nil {
		err = failed
	}
	r.forget(id)
	return r.end("delete", id, err)
}
