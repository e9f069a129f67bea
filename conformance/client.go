package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// trace remembers the last calls of a check.
type trace struct {
	mu    sync.Mutex
	calls []string
	total int
}

const traced = 24 // calls shown with a failure

func (tr *trace) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.total++
	if len(tr.calls) == traced {
		copy(tr.calls, tr.calls[1:])
		tr.calls = tr.calls[:traced-1]
	}
	tr.calls = append(tr.calls, fmt.Sprintf("#%d %s", tr.total, line))
}

// client calls a store and notes what it did. Capital letters return what the
// store did; small ones end the check when the call fails.
type client struct {
	t    *T
	s    store.Store
	ctx  context.Context
	name string // before the call in the trace: "peer "
}

// fixture is an opened Subject with a client for its store.
type fixture struct {
	Subject
	*client
	t *T
}

func (f *fixture) other(s store.Store, name string) *client {
	f.t.Cleanup(func() { _ = store.Close(s) })
	return &client{t: f.t, s: s, ctx: f.t.ctx, name: name + " "}
}

// at returns a client that calls with another context.
func (c *client) at(ctx context.Context) *client {
	d := *c
	d.ctx = ctx
	return &d
}

func (c *client) Load(id string) (store.Entry, error) {
	e, err := c.s.Load(c.ctx, id)
	if err != nil {
		c.t.trace.add("%sLoad(%s) = %s", c.name, short(id), errText(err))
	} else {
		c.t.trace.add("%sLoad(%s) = %s, revision %s, %v left", c.name, short(id), size(e.Record), rev(e.Revision), e.TTL)
	}
	return e, err
}

func (c *client) Create(id string, r store.Record, ttl time.Duration) (store.Revision, error) {
	v, err := c.s.Create(c.ctx, id, r, ttl)
	c.t.trace.add("%sCreate(%s, %s, %v) = %s", c.name, short(id), size(r), ttl, result(v, err))
	return v, err
}

func (c *client) Update(id string, r store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	v, err := c.s.Update(c.ctx, id, r, ttl, base)
	c.t.trace.add("%sUpdate(%s, %s, %v, base %s) = %s", c.name, short(id), size(r), ttl, rev(base), result(v, err))
	return v, err
}

func (c *client) Touch(id string, ttl time.Duration) error {
	err := c.s.Touch(c.ctx, id, ttl)
	c.t.trace.add("%sTouch(%s, %v) = %s", c.name, short(id), ttl, errText(err))
	return err
}

func (c *client) Delete(id string) error {
	err := c.s.Delete(c.ctx, id)
	c.t.trace.add("%sDelete(%s) = %s", c.name, short(id), errText(err))
	return err
}

func (c *client) List(q store.Query) (map[string]store.Entry, error) {
	out := map[string]store.Entry{}
	for l, err := range store.List(c.ctx, c.s, q) {
		if err != nil {
			c.t.trace.add("%sList(owner of %d B) = %d, %s", c.name, len(q.Owner), len(out), errText(err))
			return out, err
		}
		if _, twice := out[l.ID]; twice {
			c.t.Errorf("List yielded the session %s twice", short(l.ID))
		}
		out[l.ID] = l.Entry
	}
	c.t.trace.add("%sList(owner of %d B) = %d", c.name, len(q.Owner), len(out))
	return out, nil
}

func (c *client) DeleteOwner(owner string) (int, error) {
	n, err := store.DeleteOwner(c.ctx, c.s, owner)
	c.t.trace.add("%sDeleteOwner(owner of %d B) = %d, %s", c.name, len(owner), n, errText(err))
	return n, err
}

func (c *client) Count() (int, error) {
	n, err := store.Count(c.ctx, c.s)
	c.t.trace.add("%sCount() = %d, %s", c.name, n, errText(err))
	return n, err
}

func (c *client) Clear() error {
	err := store.Clear(c.ctx, c.s)
	c.t.trace.add("%sClear() = %s", c.name, errText(err))
	return err
}

func (c *client) Sweep() (int, error) {
	n, err := store.Sweep(c.ctx, c.s)
	c.t.trace.add("%sSweep() = %d, %s", c.name, n, errText(err))
	return n, err
}

func (c *client) must(what string, err error) {
	if err != nil {
		c.t.Fatalf("%s\n  got:  %s\n  want: no error", what, errText(err))
	}
}

func (c *client) load(id string) store.Entry {
	e, err := c.Load(id)
	c.must("Load of a live session", err)
	return e
}

func (c *client) create(id string, r store.Record, ttl time.Duration) store.Revision {
	v, err := c.Create(id, r, ttl)
	c.must("Create of a new session", err)
	return v
}

func (c *client) update(id string, r store.Record, ttl time.Duration, base store.Revision) store.Revision {
	v, err := c.Update(id, r, ttl, base)
	c.must("Update with the current revision", err)
	return v
}

func (c *client) touch(id string, ttl time.Duration) {
	c.must("Touch of a live session", c.Touch(id, ttl))
}

func (c *client) delete(id string) { c.must("Delete", c.Delete(id)) }

func (c *client) list(q store.Query) map[string]store.Entry {
	out, err := c.List(q)
	c.needs(err, "List")
	c.must("List", err)
	return out
}

func (c *client) deleteOwner(owner string) int {
	n, err := c.DeleteOwner(owner)
	c.needs(err, "DeleteOwner")
	c.must("DeleteOwner", err)
	return n
}

func (c *client) count() int {
	n, err := c.Count()
	c.needs(err, "Count")
	c.must("Count", err)
	return n
}

func (c *client) sweep() int {
	n, err := c.Sweep()
	c.needs(err, "Sweep")
	c.must("Sweep", err)
	return n
}

// needs skips the check if the store lacks the ability.
func (c *client) needs(err error, ability string) {
	if errors.Is(err, errors.ErrUnsupported) {
		c.t.Skip("the store has no " + ability)
	}
}

// can reports whether err does not say that the store lacks an ability.
func can(err error) bool { return !errors.Is(err, errors.ErrUnsupported) }

// holds fails unless id holds r under revision v; 0 is any.
func (c *client) holds(when, id string, r store.Record, v store.Revision) {
	e, err := c.Load(id)
	if err != nil {
		c.t.Errorf("%s\n  got:  %s\n  want: the session", when, errText(err))
		return
	}
	c.same(when, e, r, v)
}

func (c *client) same(when string, e store.Entry, r store.Record, v store.Revision) {
	if !bytes.Equal(e.Data, r.Data) {
		c.t.Errorf("%s: data\n  got:  %s\n  want: %s", when, preview(e.Data), preview(r.Data))
	}
	if e.Owner != r.Owner {
		c.t.Errorf("%s: owner\n  got:  %q\n  want: %q", when, e.Owner, r.Owner)
	}
	if v != 0 && e.Revision != v {
		c.t.Errorf("%s: revision\n  got:  %s\n  want: %s", when, rev(e.Revision), rev(v))
	}
}

// gone fails unless Load of id is ErrNotFound.
func (c *client) gone(when, id string) {
	_, err := c.Load(id)
	c.t.wantErr(when, err, store.ErrNotFound)
}

// age calls the hook, or skips the check.
func (f *fixture) age(d time.Duration) {
	if f.Age == nil {
		f.t.Skip("Subject.Age is missing: expiry cannot be tested")
	}
	err := f.Age(f.t.ctx, d)
	f.t.trace.add("-- %v go by (Age) = %s", d, errText(err))
	if err != nil {
		f.t.Fatalf("Subject.Age failed: %v", err)
	}
}

// peer returns another handle, or nil if there is none.
func (f *fixture) peer() *client {
	if f.Peer == nil {
		return nil
	}
	s, err := f.Peer(f.t.ctx)
	if err != nil {
		f.t.Fatalf("Subject.Peer failed: %v", err)
	}
	return f.other(s, "peer:")
}

// breaks makes the backend fail until the end of the check or the call of undo,
// which fails the check if the fault never struck. ok is false where the fault
// cannot be made.
func (f *fixture) breaks(ft Fault) (undo func(), ok bool) {
	if f.Break == nil {
		return nil, false
	}
	end, err := f.Break(f.t.ctx, ft)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, false
	}
	if err != nil {
		f.t.Fatalf("Subject.Break(%s) failed: %v", ft.Kind, err)
	}
	f.t.trace.add("-- the backend fails: %s", ft.Kind)
	once := sync.OnceFunc(func() {
		struck := end()
		f.t.trace.add("-- the backend is back, the fault struck %d times", struck)
		if struck == 0 {
			f.t.Errorf("the fault %q never struck: the requirement was not tested, look at Subject.Break", ft.Kind)
		}
	})
	f.t.Cleanup(once)
	return once, true
}

func short(id string) string {
	if len(id) > 12 {
		return fmt.Sprintf("%q…(%d B)", id[:8], len(id))
	}
	return fmt.Sprintf("%q", id)
}

func size(r store.Record) string {
	if r.Owner == "" {
		return fmt.Sprintf("%d B", len(r.Data))
	}
	return fmt.Sprintf("%d B of %q", len(r.Data), clip(r.Owner))
}

func clip(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}

func rev(v store.Revision) string { return fmt.Sprintf("%016x", uint64(v)) }

func result(v store.Revision, err error) string {
	if err != nil {
		return errText(err)
	}
	return "revision " + rev(v)
}

func preview(b []byte) string {
	if len(b) > 16 {
		return fmt.Sprintf("%d bytes, % x…", len(b), b[:16])
	}
	return fmt.Sprintf("%d bytes, % x", len(b), b)
}

var sentinels = []struct {
	err  error
	name string
}{
	{store.ErrNotFound, "ErrNotFound"},
	{store.ErrExists, "ErrExists"},
	{store.ErrConflict, "ErrConflict"},
	{store.ErrCorrupt, "ErrCorrupt"},
	{store.ErrTooLarge, "ErrTooLarge"},
	{store.ErrInvalid, "ErrInvalid"},
	{store.ErrFull, "ErrFull"},
	{store.ErrClosed, "ErrClosed"},
	{store.ErrUnknown, "ErrUnknown"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{context.Canceled, "context.Canceled"},
	{errors.ErrUnsupported, "errors.ErrUnsupported"},
}

// errText names the contract's error in err, and quotes any other.
func errText(err error) string {
	if err == nil {
		return "ok"
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return fmt.Sprintf("error %q", err)
}

func names(errs []error) string {
	out := make([]string, len(errs))
	for i, e := range errs {
		out[i] = errText(e)
	}
	return strings.Join(out, " or ")
}
