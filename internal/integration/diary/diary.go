// Package diary has a store written to while a test does something to its server, and
// remembers how each write was answered. Afterwards what is stored is held against that.
//
//	d := diary.Begin(t.Context(), s, "round 1")
//	… // kill the server, once Await says that there is a load; start it again
//	d.Stop()
//	for _, f := range d.Check(t.Context(), s) {
//		t.Error(f)
//	}
package diary

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const (
	writers = 8  // how many sessions are written to at a time
	age     = 20 // how many sessions a writer makes before it ends one: what is lost may be both, or the end alone
)

// Diary is what the writers know.
type Diary struct {
	s    store.Store
	name string
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	news    *sync.Cond
	entries []*entry
	counts  Counts
}

// Counts are the writes that were answered so far.
type Counts struct {
	Acknowledged int
	Deletes      int // of Acknowledged
	Failed       int
	Unknown      int // of Failed: ErrUnknown
	Late         int // of Acknowledged: those of MayLose
	Lost         int // of Late: what Check has missed
}

// Begin starts writers. Each makes one session after the other, updates and touches it,
// and ends every second one of those that it made a while ago. When a write fails it goes on to
// the next session. Half of them have an owner. A call has no deadline but the store's own.
func Begin(ctx context.Context, s store.Store, name string) *Diary {
	d := &Diary{s: s, name: name}
	d.news = sync.NewCond(&d.mu)
	d.ctx, d.stop = context.WithCancel(ctx)
	for w := range writers {
		d.wg.Go(func() { d.writer(context.WithoutCancel(ctx), w) })
	}
	return d
}

// Stop returns when every writer has ended.
func (d *Diary) Stop() {
	d.stop()
	d.wg.Wait()
}

// Counts returns the counts.
func (d *Diary) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Await waits until the counts are as they should be, and returns the end of ctx if that
// comes first.
func (d *Diary) Await(ctx context.Context, enough func(Counts) bool) error {
	defer context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.news.Broadcast()
	})()
	d.mu.Lock()
	defer d.mu.Unlock()
	for !enough(d.counts) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("with %+v: %w", d.counts, err)
		}
		d.news.Wait()
	}
	return nil
}

// MayLose says that what was acknowledged from then until now may be lost, but nothing
// before it or from now on. It is for a server that is down, and whose last answers were
// read.
func (d *Diary) MayLose(from time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		for e.kept > none && !e.when[e.kept].Before(from) {
			e.kept--
			d.counts.Late++
		}
	}
}

// writer is one of the writers.
func (d *Diary) writer(ctx context.Context, w int) {
	var mine []*entry
	for n := 0; d.ctx.Err() == nil; n++ {
		e := &entry{id: fmt.Sprintf("%s-%d-%d", d.name, w, n)}
		mine = append(mine, e)
		d.mu.Lock()
		d.entries = append(d.entries, e)
		d.mu.Unlock()
		owner := ""
		if n%4 < 2 {
			owner = fmt.Sprint("owner-", w)
		}
		ok := d.begin(ctx, e, owner)
		if old := n - age; old >= 0 && n%2 == 0 && mine[old].done == updated && mine[old].denied == nil {
			ok = d.write(mine[old], deleted, func() error { return d.s.Delete(ctx, mine[old].id) }) && ok
		}
		if !ok {
			time.Sleep(5 * time.Millisecond) // who is refused at once should not ask at once
		}
	}
}

// begin makes a session and changes it, until a write fails.
func (d *Diary) begin(ctx context.Context, e *entry, owner string) bool {
	var v store.Revision
	return d.write(e, created, func() (err error) {
		v, err = d.s.Create(ctx, e.id, store.Record{Data: []byte(created.data()), Owner: owner}, time.Hour)
		return err
	}) && d.write(e, updated, func() (err error) {
		v, err = d.s.Update(ctx, e.id, store.Record{Data: []byte(updated.data()), Owner: owner}, time.Hour, v)
		return err
	}) && d.write(e, updated, func() error {
		return d.s.Touch(ctx, e.id, time.Hour)
	})
}

// write makes a write that brings the session to a step.
func (d *Diary) write(e *entry, to step, f func() error) bool {
	err := f()
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.news.Broadcast()
	if err == nil {
		if e.done != to { // a touch says nothing of the data
			e.kept, e.when[to] = to, time.Now()
		}
		e.done, e.open = to, none
		d.counts.Acknowledged++
		if to == deleted {
			d.counts.Deletes++
		}
		return true
	}
	d.counts.Failed++
	if errors.Is(err, store.ErrUnknown) {
		d.counts.Unknown++
		e.open = to
	}
	for _, kind := range []error{store.ErrNotFound, store.ErrConflict, store.ErrExists} {
		if errors.Is(err, kind) {
			e.denied = err
		}
	}
	return false
}
