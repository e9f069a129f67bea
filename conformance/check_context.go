package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// every is all calls that ask the backend, by name.
func (c *client) every(id string, v store.Revision) map[string]func(c *client) error {
	r := store.Record{Data: c.t.text(20), Owner: "o"}
	return map[string]func(c *client) error{
		"Load":        func(c *client) error { return second(c.Load(id)) },
		"Create":      func(c *client) error { return second(c.Create(id+"-new", r, hour)) },
		"Update":      func(c *client) error { return second(c.Update(id, r, hour, v)) },
		"Touch":       func(c *client) error { return c.Touch(id, hour) },
		"Delete":      func(c *client) error { return c.Delete(id) },
		"List":        func(c *client) error { return second(c.List(store.Query{})) },
		"ListOwner":   func(c *client) error { return second(c.List(store.Query{Owner: "o"})) },
		"DeleteOwner": func(c *client) error { return second(c.DeleteOwner("o")) },
		"Count":       func(c *client) error { return second(c.Count()) },
		"Clear":       func(c *client) error { return c.Clear() },
		"Sweep":       func(c *client) error { return second(c.Sweep()) },
		"Ping":        func(c *client) error { return store.Ping(c.ctx, c.s) },
	}
}

func (c *client) everyAtOnce(id string, v store.Revision, f func(name string, call func(*client) error)) {
	var wg sync.WaitGroup
	for name, call := range c.every(id, v) {
		wg.Go(func() { c.t.guard(func() { f(name, call) }) })
	}
	wg.Wait()
}

func ctx1(t *T) {
	f := t.subject()
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	cause := errors.New("the cause")
	done, cancel := context.WithCancelCause(t.ctx)
	cancel(cause)
	past, cancelPast := context.WithDeadlineCause(t.ctx, time.Now().Add(-time.Second), cause)
	defer cancelPast()
	for how, ctx := range map[string]context.Context{"was cancelled": done, "is past its deadline": past} {
		for name, call := range f.every(id, v) {
			if err := call(f.at(ctx)); can(err) && !errors.Is(err, cause) {
				t.Errorf("%s with a context that %s\n  got:  %s\n  want: an error that wraps context.Cause", name, how, errText(err))
			}
		}
	}
	f.holds("after calls with a context that was done", id, r, v)
	f.gone("after Create with a context that was done", id+"-new")

	// A deadline, and a cancellation, while the backend does not answer.
	undo, ok := f.breaks(Fault{Kind: Hang})
	if !ok {
		t.note("a context that ends during the call: Subject.Break cannot hang")
		return
	}
	type call = func(*client) error
	deadline := func(call call) (time.Duration, error) {
		ctx, cancel := context.WithTimeout(t.ctx, 50*time.Millisecond)
		defer cancel()
		return ending(ctx, func() error { return call(f.at(ctx)) })
	}
	cancelled := func(call call) (time.Duration, error) {
		ctx, cancel := context.WithCancel(t.ctx)
		defer cancel()
		defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
		return ending(ctx, func() error { return call(f.at(ctx)) })
	}
	const slack = 100 * time.Millisecond
	f.everyAtOnce(id, v, func(name string, call call) {
		late, err := deadline(call)
		// A busy machine wakes nobody in time: what is late is asked again.
		for range 2 {
			if late > slack {
				late, err = deadline(call)
			}
		}
		// One that did not need the backend may succeed: FAIL-1 says which may.
		if can(err) && err != nil && (!errors.Is(err, context.DeadlineExceeded) || late > slack) {
			t.Errorf("%s with a deadline of 50 ms, no answer from the backend\n  got:  %s, %v after the deadline\n  want: context.DeadlineExceeded within 100 ms of it", name, errText(err), late)
		}
	})
	f.everyAtOnce(id, v, func(name string, call call) {
		late, err := cancelled(call)
		if can(err) && err != nil && (!errors.Is(err, context.Canceled) || late > f.callTimeout()+slack) {
			t.Errorf("%s, cancelled after 20 ms, no answer from the backend\n  got:  %s, %v after that\n  want: context.Canceled within %v", name, errText(err), late, f.callTimeout())
		}
	})
	undo()
}

// ending makes a call and returns how long after the end of ctx, as this machine
// noticed it, it returned, and its error.
func ending(ctx context.Context, call func() error) (late time.Duration, err error) {
	ended := make(chan time.Time, 1)
	stop := context.AfterFunc(ctx, func() { ended <- time.Now() })
	err = call()
	now := time.Now()
	if stop() {
		return 0, err // it returned before
	}
	return now.Sub(<-ended), err
}

// patient is a context for calls that would hang for ever if the store were
// wrong, and that no right one makes wait so long.
func (f *fixture) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(f.t.ctx, f.callTimeout()+5*time.Second)
}

func ctx2(t *T) {
	f := t.subject()
	// How long a call takes decides when its context ends in the middle.
	id := t.newID()
	v := f.create(id, t.record("old"), hour)
	start := time.Now()
	for range 3 {
		v = f.update(id, t.record("old"), hour, v)
	}
	usual := max(time.Since(start)/3, 100*time.Microsecond)
	failed := 0
	for round := range t.rounds(20, 150) {
		id, fresh, doomed := t.newID(), t.newID(), t.newID()
		old, next := store.Record{Data: t.text(50), Owner: "old"}, store.Record{Data: t.text(80), Owner: "next"}
		v := f.create(id, old, hour)
		f.create(doomed, old, hour)
		ends := func() (*client, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(t.ctx, usual*time.Duration((round*37)%150)/100)
			return f.at(ctx), cancel
		}
		c, cancel := ends()
		_, uerr := c.Update(id, next, hour, v)
		cancel()
		c, cancel = ends()
		_, cerr := c.Create(fresh, next, hour)
		cancel()
		c, cancel = ends()
		derr := c.Delete(doomed)
		cancel()
		for _, err := range []error{uerr, cerr, derr} {
			if err != nil {
				failed++
			}
		}
		// A server may still be at it, after the client has turned away.
		var halves []string
		whole := t.eventually(time.Second, func() bool {
			halves = f.halves(map[string]outcome{
				"Update": {id, old, next, uerr}, "Create": {fresh, store.Record{}, next, cerr}, "Delete": {doomed, old, store.Record{}, derr},
			})
			return len(halves) == 0
		})
		if !whole {
			t.Errorf("a write that its context may have ended happened by half\n%s", join(halves))
			return
		}
		for _, id := range []string{id, fresh, doomed} {
			_ = f.Delete(id)
		}
	}
	if failed == 0 {
		t.note("a call that its context ended: none was slow enough")
	}
}

// outcome is what there may be under an id after a write: before or after, and
// only after if there was no error. A record without an owner is no session.
type outcome struct {
	id            string
	before, after store.Record
	err           error
}

// halves says what of each write is neither before nor after.
func (f *fixture) halves(writes map[string]outcome) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf("  "+format, args...)) }
	lists := map[string]map[string]store.Entry{}
	for _, o := range []string{"old", "next"} {
		if out, err := f.List(store.Query{Owner: o}); can(err) {
			f.must("List", err)
			lists[o] = out
		}
	}
	for verb, w := range writes {
		e, err := f.Load(w.id)
		switch {
		case err == nil && string(e.Data) == string(w.after.Data):
		case err == nil && string(e.Data) == string(w.before.Data) && w.err != nil:
		case errors.Is(err, store.ErrNotFound) && w.after.Owner == "":
		case errors.Is(err, store.ErrNotFound) && w.before.Owner == "" && w.err != nil:
		default:
			say("%s returned %s, Load finds %s, %s", verb, errText(w.err), preview(e.Data), errText(err))
			continue
		}
		owner := ""
		if err == nil {
			owner = w.before.Owner
			if string(e.Data) == string(w.after.Data) {
				owner = w.after.Owner
			}
		}
		for o, out := range lists {
			should := o == owner
			if _, listed := out[w.id]; listed != should && f.keepsOwners() {
				say("%s returned %s, the session is listed under %q: %v, want %v", verb, errText(w.err), o, listed, should)
			}
		}
	}
	return found
}
