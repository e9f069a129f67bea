package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// trace remembers the last calls of a check.
type trace struct {
	mu    sync.Mutex
	calls []string
	total int
	beat  *atomic.Int64 // of the run: it shows that it gets on
}

const traced = 24 // calls shown with a failure

func (tr *trace) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	tr.beat.Add(1)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.total++
	if len(tr.calls) == traced {
		copy(tr.calls, tr.calls[1:])
		tr.calls = tr.calls[:traced-1]
	}
	tr.calls = append(tr.calls, fmt.Sprintf("#%d %s", tr.total, line))
}

func (tr *trace) last() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.calls)
}

// client calls a store and notes what it did. Capital letters return what the
// store did; small ones end the check when the call fails.
type client struct {
	t    *T
	s    store.Store
	ctx  context.Context
	name string // before the call in the trace: "peer "
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
		// A store that uses one buffer for all of them breaks LOAD-6, and what
		// else is tested with a listing goes on.
		l.Data = bytes.Clone(l.Data)
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
	if v == 0 {
		v = c.load(id).Revision // CREATE-1 tells of it
	}
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
	if e.Owner != r.Owner && c.keepsOwners() {
		c.t.Errorf("%s: owner\n  got:  %q\n  want: %q", when, clip(e.Owner), clip(r.Owner))
	}
	if v != 0 && e.Revision != v {
		c.t.Errorf("%s: revision\n  got:  %s\n  want: %s", when, rev(e.Revision), rev(v))
	}
}

// keepsOwners reports whether the store does at all, which LOAD-1 and UPDATE-1
// demand: the other checks do not blame it once more.
func (c *client) keepsOwners() bool {
	id := c.t.newID()
	v, err := c.s.Create(c.ctx, id, plain("before"), hour)
	if err != nil {
		return true
	}
	e, err := c.s.Load(c.ctx, id)
	if err != nil {
		return true
	}
	if _, err = c.s.Update(c.ctx, id, plain("after"), hour, v); err != nil {
		return true
	}
	u, err := c.s.Load(c.ctx, id)
	_ = c.s.Delete(c.ctx, id)
	return err != nil || e.Owner == "before" && u.Owner == "after"
}

// lists fails unless a listing by owner is exactly ids, for checks that are not
// about owners.
func (c *client) lists(what, owner string, ids ...string) {
	out, err := c.List(store.Query{Owner: owner})
	if !can(err) {
		return
	}
	c.must(what+", List", err)
	for _, id := range ids {
		if _, ok := out[id]; !ok && !c.keepsOwners() {
			return
		}
	}
	c.t.only(what+", List by owner", out, ids...)
}

// lives is whether a Load found a session. A store that says so of nothing, with
// an empty entry, breaks LOAD-2.
func lives(e store.Entry, err error) bool { return err == nil && e.Revision != 0 }

// owned fails unless id is owner's, and spares nobody.
func (c *client) owned(when, id, owner string) {
	e, err := c.Load(id)
	if err == nil && e.Owner != owner {
		c.t.Errorf("%s: owner\n  got:  %q\n  want: %q", when, clip(e.Owner), clip(owner))
	}
}

// gone fails unless id looks as one that never was. That this is ErrNotFound,
// LOAD-2 and the other checks that use missing see to.
func (c *client) gone(when, id string) {
	e, err := c.Load(id)
	if errors.Is(err, store.ErrNotFound) {
		return
	}
	never, nerr := c.Load(c.t.newID())
	if errText(err) == errText(nerr) && e.Revision == never.Revision && len(e.Data) == len(never.Data) {
		return
	}
	c.t.wantErr(when, err, store.ErrNotFound)
}

// missing fails unless Load of id is ErrNotFound.
func (c *client) missing(when, id string) {
	_, err := c.Load(id)
	c.t.wantErr(when, err, store.ErrNotFound)
}

// unlisted fails if owner has the session id in a listing. It says nothing of a
// store that cannot list.
func (c *client) unlisted(when, owner, id string) {
	out, err := c.List(store.Query{Owner: owner})
	if _, ok := out[id]; ok && err == nil {
		c.t.Errorf("%s, the session is listed under the owner %q", when, clip(owner))
	}
}
