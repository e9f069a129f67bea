package conformance

import (
	"errors"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// fixture is an opened Subject with a client for its store.
type fixture struct {
	Subject
	*client
	t *T
}

// subject opens a fresh store for the check and closes it afterwards.
func (t *T) subject() *fixture {
	sub := t.open(t)
	if sub.Store == nil {
		t.Fatal("open returned a Subject without a Store")
	}
	t.Cleanup(func() { closeQuietly(sub.Store) })
	return &fixture{Subject: sub, client: &client{t: t, s: sub.Store, ctx: t.ctx}, t: t}
}

// closeQuietly closes a store that a check may have closed already. What is wrong
// with that CLOSE-1 finds out.
func closeQuietly(s store.Store) {
	defer func() { _ = recover() }()
	_ = store.Close(s)
}

func (f *fixture) other(s store.Store, name string) *client {
	f.t.Cleanup(func() { closeQuietly(s) })
	return &client{t: f.t, s: s, ctx: f.t.ctx, name: name + " "}
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

// ages reports whether time can be made to go by, and notes what is not tested
// otherwise.
func (f *fixture) ages(what string) bool {
	if f.Age == nil {
		f.t.note(what + ": no Subject.Age")
	}
	return f.Age != nil
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

// handles are the client and, where there can be one, another handle.
func (f *fixture) handles() []*client {
	if p := f.peer(); p != nil {
		return []*client{f.client, p}
	}
	return []*client{f.client}
}

// breaks makes the backend fail until the end of the check or the call of undo,
// which fails the check if the fault never struck. ok is false where the fault
// cannot be made.
func (f *fixture) breaks(ft Fault) (undo func(), ok bool) {
	end, ok := f.mayBreak(ft)
	if !ok {
		return nil, false
	}
	return func() {
		if end() == 0 {
			f.t.Errorf("the fault %q never struck: the requirement was not tested, look at Subject.Break", ft.Kind)
		}
	}, true
}

// mayBreak is breaks where the fault need not strike. undo can be called twice.
func (f *fixture) mayBreak(ft Fault) (undo func() int, ok bool) {
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
	undo = sync.OnceValue(func() int {
		struck := end()
		f.t.trace.add("-- the backend is back, the fault struck %d times", struck)
		return struck
	})
	f.t.Cleanup(func() { undo() })
	return undo, true
}

// fill creates a session under each id, several at a time. A Create that fails
// is made again alone: whether a store can do several at once is CONC-1.
func (f *fixture) fill(ids []string, r store.Record, ttl time.Duration) {
	failed := make([]bool, len(ids))
	f.t.together(workers, func(w int) {
		for i := w; i < len(ids); i += workers {
			_, err := f.s.Create(f.t.ctx, ids[i], r, ttl)
			failed[i] = err != nil
		}
	})
	f.t.trace.add("-- %d sessions created", len(ids))
	for i, again := range failed {
		if again {
			if _, err := f.Create(ids[i], r, ttl); !errors.Is(err, store.ErrExists) {
				f.must("Create of a new session", err)
			}
		}
	}
}

const workers = 8

// alive reports which of the ids can be loaded, asking several at a time. What
// fails is asked for again alone.
func (f *fixture) alive(ids []string) (live []bool, n int) {
	live = make([]bool, len(ids))
	unsure := make([]bool, len(ids))
	f.t.together(workers, func(w int) {
		for i := w; i < len(ids); i += workers {
			e, err := f.s.Load(f.t.ctx, ids[i])
			live[i], unsure[i] = lives(e, err), err != nil && !errors.Is(err, store.ErrNotFound)
		}
	})
	for i, id := range ids {
		if unsure[i] {
			live[i] = lives(f.s.Load(f.t.ctx, id))
		}
		if live[i] {
			n++
		}
	}
	f.t.trace.add("-- %d of %d sessions can be loaded", n, len(ids))
	return live, n
}

// left fails unless what is left of id's life is about ttl: less by at most 10
// minutes, for a slow machine, and not more.
func (c *client) left(when, id string, ttl, precision time.Duration) {
	e, err := c.Load(id)
	if err != nil {
		c.t.Errorf("%s: %s", when, errText(err))
		return
	}
	if e.TTL > ttl+2*precision || e.TTL < ttl-10*time.Minute {
		c.t.Errorf("%s: what is left of the life\n  got:  %v\n  want: %v", when, e.TTL, ttl)
	}
}

func (f *fixture) left(when, id string, ttl time.Duration) {
	f.client.left(when, id, ttl, f.precision())
}

// only fails unless the listing is exactly ids.
func (t *T) only(what string, out map[string]store.Entry, ids ...string) {
	for _, id := range ids {
		if _, ok := out[id]; !ok {
			t.Errorf("%s: the session %s is missing", what, short(id))
		}
	}
	if len(out) > len(ids) {
		t.Errorf("%s: %d sessions, want %d", what, len(out), len(ids))
	}
}

// rows waits until want sessions are physically there: at once, unless the
// backend removes what has expired by itself.
func (f *fixture) rows(want int) (n int, ok bool) {
	ask := func() bool {
		var err error
		n, err = f.Rows(f.t.ctx)
		f.must("Subject.Rows", err)
		return n == want
	}
	if f.Expires == "" {
		ok = ask()
	} else {
		ok = f.t.eventually(5*time.Second, ask)
	}
	return n, ok
}
