package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/conformance/internal/linear"
	"github.com/sojourn-go/sojourn/store"
)

func update6(t *T) {
	f := t.subject()
	handles := []*client{f.client}
	if p := f.peer(); p != nil {
		handles = append(handles, p)
	}
	undecided := 0
	for range 60 {
		ops := t.history(handles)
		switch linear.Check(ops, 200_000) {
		case linear.Illegal:
			var lines []string
			for _, op := range ops {
				lines = append(lines, op.String())
			}
			t.Fatalf("a history of concurrent calls has no order that explains it:\n%s", strings.Join(lines, "\n"))
		case linear.Undecided:
			undecided++
		}
	}
	if undecided > 30 {
		t.undecided(fmt.Sprintf("the search ran out of steps in %d of 60 histories", undecided))
	}
}

// history has 4 clients make 5 calls each on one id, and says what came of them.
func (t *T) history(handles []*client) []linear.Op {
	const clients, calls = 4, 5
	id := t.newID()
	var stamp, value atomic.Int64
	var mu sync.Mutex
	var ops []linear.Op
	kinds := make([][]int, clients)
	for c := range kinds {
		for range calls {
			kinds[c] = append(kinds[c], t.rng.IntN(10))
		}
	}
	var last atomic.Uint64 // the newest revision that anybody saw
	together(clients, func(c int) {
		h := handles[c%len(handles)]
		for _, k := range kinds[c] {
			op := linear.Op{Client: c}
			rec := store.Record{}
			if k <= 5 {
				op.Value = uint64(value.Add(1))
				rec.Data = binary.BigEndian.AppendUint64(nil, op.Value)
			}
			var err error
			var v store.Revision
			op.Call = stamp.Add(1)
			switch {
			case k <= 1:
				op.Kind = linear.Create
				v, err = h.Create(id, rec, hour)
			case k <= 5:
				op.Kind, op.Base = linear.Update, max(last.Load(), 1)
				v, err = h.Update(id, rec, hour, store.Revision(op.Base))
			case k == 6:
				op.Kind = linear.Delete
				err = h.Delete(id)
			case k == 7:
				op.Kind = linear.Touch
				err = h.Touch(id, hour)
			default:
				op.Kind = linear.Load
				var e store.Entry
				e, err = h.Load(id)
				if v = e.Revision; err == nil && len(e.Data) == 8 {
					op.Value = binary.BigEndian.Uint64(e.Data)
				}
			}
			op.Return = stamp.Add(1)
			op.Rev = uint64(v)
			if v != 0 {
				last.Store(uint64(v))
			}
			switch {
			case err == nil:
				op.Outcome = linear.OK
			case errors.Is(err, store.ErrNotFound):
				op.Outcome = linear.NotFound
			case errors.Is(err, store.ErrExists):
				op.Outcome = linear.Exists
			case errors.Is(err, store.ErrConflict):
				op.Outcome = linear.Conflict
			default:
				op.Outcome = linear.Unknown
			}
			mu.Lock()
			ops = append(ops, op)
			mu.Unlock()
		}
	})
	return ops
}

func conc1(t *T) {
	f := t.subject()
	shared := t.newID()
	f.create(shared, t.record("shared"), hour)
	own := make([][]string, 12)
	recs := make([]store.Record, len(own))
	for i := range own {
		own[i] = t.newIDs(4)
		recs[i] = t.record("o")
	}
	fails := func(what string, err error, may ...error) {
		if err == nil || !can(err) {
			return
		}
		for _, m := range may {
			if errors.Is(err, m) {
				return
			}
		}
		t.Errorf("%s beside calls of other goroutines: %s", what, errText(err))
	}
	together(len(own), func(w int) {
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("panic in a call beside others: %v", r)
			}
		}()
		for _, id := range own[w] {
			v, err := f.Create(id, recs[w], hour)
			fails("Create", err)
			if err != nil {
				return
			}
			v, err = f.Update(id, recs[w], hour, v)
			fails("Update", err)
			fails("Touch", f.Touch(id, hour))
			e, err := f.Load(id)
			fails("Load", err)
			if err == nil && (e.Revision != v || !bytes.Equal(e.Data, recs[w].Data)) {
				t.Errorf("Load beside other goroutines read another session, or an old one")
			}
			fails("Touch", f.Touch(shared, hour))
			s, err := f.Load(shared)
			fails("Load", err)
			if err == nil {
				fails("Update", second(f.Update(shared, s.Record, hour, s.Revision)), store.ErrConflict)
			}
			switch w % 4 {
			case 0:
				fails("List", second(f.List(store.Query{Owner: "shared"})))
			case 1:
				fails("Count", second(f.Count()))
			case 2:
				fails("Sweep", second(f.Sweep()))
			case 3:
				fails("DeleteOwner", second(f.DeleteOwner("nobody")))
			}
			fails("Delete", f.Delete(id))
		}
	})
}

func conc2(t *T) {
	f := t.subject()
	p := f.peer()
	if p == nil {
		t.Skip("Subject.Peer is missing: nothing can be seen across handles")
	}
	for _, h := range [][2]*client{{f.client, p}, {p, f.client}} {
		a, b := h[0], h[1]
		id, r := t.newID(), t.record("o")
		b.gone("before Create", id)
		v := a.create(id, r, hour)
		b.holds("created by the other handle", id, r, v)
		r = t.record("p")
		v = a.update(id, r, hour, v)
		b.holds("updated by the other handle", id, r, v)
		a.touch(id, 5*hour)
		if e, err := b.Load(id); err != nil || e.TTL < 4*hour {
			t.Errorf("touched to 5 h by the other handle: %v left, %s", e.TTL, errText(err))
		}
		if out, err := b.List(store.Query{Owner: "p"}); can(err) {
			b.must("List", err)
			t.only("List by the other handle", out, id)
		}
		r = t.record("q")
		v = b.update(id, r, hour, v)
		a.holds("updated by the handle that had only read", id, r, v)
		a.delete(id)
		b.gone("deleted by the other handle", id)
		_, err := b.Update(id, r, hour, v)
		t.wantErr("Update of what the other handle deleted", err, store.ErrNotFound)
	}
}

func iso1(t *T) {
	a, b := t.subject(), t.subject()
	id := t.newID()
	ra, rb := t.record("o"), t.record("o")
	va := a.create(id, ra, hour)
	b.gone("another store's session", id)
	vb := b.create(id, rb, hour)
	a.holds("one store's session beside the other's", id, ra, va)
	only := t.newID()
	a.create(only, ra, hour)
	_, err := b.Update(only, rb, hour, va)
	t.wantErr("Update of another store's session", err, store.ErrNotFound)
	t.wantErr("Touch of another store's session", b.Touch(only, hour), store.ErrNotFound)
	b.delete(only)
	a.holds("after the other store's Delete", only, ra, 0)
	if out, err := b.List(store.Query{}); can(err) {
		b.must("List", err)
		t.only("List", out, id)
	}
	if out, err := b.List(store.Query{Owner: "o"}); can(err) {
		b.must("List", err)
		t.only("List by owner", out, id)
	}
	if n, err := b.Count(); can(err) && n != 1 {
		t.Errorf("Count is %d, want 1 (%s)", n, errText(err))
	}
	if n, err := a.DeleteOwner("o"); can(err) {
		a.must("DeleteOwner", err)
		if n != 2 {
			t.Errorf("DeleteOwner returned %d, want 2", n)
		}
	}
	b.holds("after the other store's DeleteOwner", id, rb, vb)
}

// every is all calls that ask the backend, by name.
func (c *client) every(id string, v store.Revision) map[string]func(c *client) error {
	r := store.Record{Data: []byte("data"), Owner: "o"}
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
		wg.Go(func() { f(name, call) })
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
	for name, call := range f.every(id, v) {
		if err := call(f.at(done)); can(err) && !errors.Is(err, cause) {
			t.Errorf("%s with a context that is done\n  got:  %s\n  want: an error that wraps context.Cause", name, errText(err))
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
	const slack = 100 * time.Millisecond
	f.everyAtOnce(id, v, func(name string, call func(*client) error) {
		ctx, cancel := context.WithTimeout(t.ctx, 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := call(f.at(ctx))
		took := time.Since(start)
		if !can(err) {
			return
		}
		if !errors.Is(err, context.DeadlineExceeded) || took > 50*time.Millisecond+slack {
			t.Errorf("%s with a deadline of 50 ms, no answer from the backend\n  got:  %s after %v\n  want: context.DeadlineExceeded within 150 ms", name, errText(err), took)
		}
	})
	f.everyAtOnce(id, v, func(name string, call func(*client) error) {
		ctx, cancel := context.WithCancel(t.ctx)
		defer cancel()
		start := time.Now()
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		defer timer.Stop()
		err := call(f.at(ctx))
		took := time.Since(start)
		if !can(err) {
			return
		}
		if !errors.Is(err, context.Canceled) || took > f.callTimeout()+slack {
			t.Errorf("%s, cancelled after 20 ms, no answer from the backend\n  got:  %s after %v\n  want: context.Canceled within %v", name, errText(err), took, f.callTimeout())
		}
	})
	undo()
}

func ctx2(t *T) {
	f := t.subject()
	failed := 0
	for round := range 150 {
		id := t.newID()
		old := store.Record{Data: t.data(50), Owner: "old"}
		next := store.Record{Data: t.data(80), Owner: "next"}
		v := f.create(id, old, hour)
		ctx, cancel := context.WithTimeout(t.ctx, time.Duration(round)*5*time.Microsecond)
		v2, err := f.at(ctx).Update(id, next, hour, v)
		fresh := t.newID()
		_, created := f.at(ctx).Create(fresh, next, hour)
		cancel()
		if err != nil {
			failed++
		}
		e, lerr := f.Load(id)
		f.must("Load after an Update that its context may have ended", lerr)
		want := old
		if e.Owner == next.Owner || err == nil {
			want = next
		}
		f.same("after an Update that its context may have ended", e, want, 0)
		if err == nil && e.Revision != v2 {
			t.Errorf("Update succeeded with revision %s, Load finds %s", rev(v2), rev(e.Revision))
		}
		fe, ferr := f.Load(fresh)
		if ferr == nil {
			f.same("after a Create that its context may have ended", fe, next, 0)
		} else {
			t.wantErr("Load after a Create that its context may have ended", ferr, store.ErrNotFound)
			if created == nil {
				t.Errorf("Create succeeded, and there is nothing")
			}
		}
		for _, o := range []string{"old", "next"} {
			out, err := f.List(store.Query{Owner: o})
			if !can(err) {
				break
			}
			f.must("List", err)
			for _, x := range []struct {
				id string
				e  store.Entry
				ok bool
			}{{id, e, true}, {fresh, fe, ferr == nil}} {
				if _, listed := out[x.id]; listed != (x.ok && x.e.Owner == o) {
					t.Errorf("a write that its context ended happened by half: the session of %q is listed under %q: %v", x.e.Owner, o, listed)
				}
			}
		}
		f.delete(id)
		f.delete(fresh)
		if t.Failed() {
			return
		}
	}
	if failed == 0 {
		t.note("a call that its context ended: none was slow enough")
	}
}

func close1(t *T) {
	f := t.subject()
	if _, ok := store.As[io.Closer](f.s); !ok {
		t.doesNotApply("the store has no Close")
	}
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	p := f.peer()
	for range 2 {
		if err := store.Close(f.s); err != nil {
			t.Errorf("Close: %s", errText(err))
		}
	}
	for name, call := range f.every(id, v) {
		if err := call(f.client); can(err) {
			t.wantErr(name+" after Close", err, store.ErrClosed)
		}
	}
	if f.Client == nil {
		t.note("that the caller's client stays open: no Subject.Client")
	} else if err := f.Client(t.ctx); err != nil {
		t.Errorf("the caller's client after Close: %v", err)
	}
	if p != nil {
		p.holds("the other handle after Close of the first", id, r, v)
	}
}

func close2(t *T) {
	var pkg string
	left := 0
	labelled(t.ctx, func() {
		f := t.subject()
		pkg = packageOf(f.s)
		stores := []store.Store{f.s}
		if f.Sweeping != nil {
			s, err := f.Sweeping(t.ctx, func(error) {})
			f.must("Subject.Sweeping", err)
			stores = append(stores, s)
		}
		for _, s := range stores {
			c := &client{t: t, s: s, ctx: t.ctx}
			id := t.newID()
			c.create(id, t.record("o"), hour)
			if _, err := c.List(store.Query{}); can(err) {
				c.must("List", err)
			}
			c.touch(id, hour)
			c.delete(id)
			c.must("Close", store.Close(s))
		}
		t.eventually(time.Second, func() bool { left = goroutines(pkg); return left == 0 })
	})
	if left > 0 {
		t.Errorf("%d goroutines of package %s are there a second after Close", left, pkg)
	}
}

const label = "sojourn-conformance"

var labels atomic.Int64

// labelled runs f so that the goroutines that it starts can be told from all
// others: they inherit the label.
func labelled(ctx context.Context, f func()) {
	pprof.Do(ctx, pprof.Labels(label, fmt.Sprint(labels.Add(1))), func(context.Context) { f() })
}

// goroutines counts those that carry the caller's label and are in, or were
// called from, a function of the package.
func goroutines(pkg string) int {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // to memory: cannot fail
	mine := fmt.Sprintf("%q:%q", label, fmt.Sprint(labels.Load()))
	n := 0
	for block := range strings.SplitSeq(b.String(), "\n\n") {
		if !strings.Contains(block, mine) || !strings.Contains(block, "\t"+pkg+".") && !strings.Contains(block, pkg+".") {
			continue
		}
		if strings.Contains(block, "conformance.goroutines") {
			continue // the check itself, if it runs in that package
		}
		var k int
		fmt.Sscanf(strings.TrimSpace(block), "%d @", &k)
		n += k
	}
	return n
}

func size1(t *T) {
	f := t.subject()
	if f.MaxData == 0 {
		t.doesNotApply("the store states no limit (Subject.MaxData is 0)")
	}
	id := t.newID()
	full := store.Record{Data: t.data(f.MaxData)}
	v := f.create(id, full, hour)
	f.holds("at the limit", id, full, v)
	over := store.Record{Data: t.data(f.MaxData + 1)}
	_, err := f.Update(id, over, hour, v)
	t.wantErr("Update over the limit", err, store.ErrTooLarge)
	f.holds("after the refused Update", id, full, v)
	fresh := t.newID()
	_, err = f.Create(fresh, over, hour)
	t.wantErr("Create over the limit", err, store.ErrTooLarge)
	f.gone("after the refused Create", fresh)
}
