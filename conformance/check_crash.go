package conformance

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// after runs the hook, and returns a client for what is left.
func (f *fixture) after(what string, hook func() (store.Store, error)) *client {
	s, err := hook()
	f.t.trace.add("-- %s", what)
	f.must("Subject."+what, err)
	return f.other(s, "then:")
}

func crash1(t *T) {
	f := t.subject()
	if f.Crash == nil && f.Reopen == nil {
		t.Skip("Subject.Crash and Subject.Reopen are missing")
	}
	kept, updated, gone, touched := t.newID(), t.newID(), t.newID(), t.newID()
	var k store.Revision
	var left time.Duration
	check := func(c *client, when string, r, u store.Record, v store.Revision) {
		c.holds("a created session after "+when, kept, r, k)
		c.left("a created session after "+when, kept, hour, f.precision())
		c.left("a touched session after "+when, touched, left, f.precision())
		c.holds("an updated session after "+when, updated, u, v)
		c.gone("a deleted session after "+when, gone)
		c.lists("after "+when, "o", kept, updated)
	}
	r, u := t.record("o"), t.record("o")
	write := func(c *client) store.Revision {
		k = c.create(kept, r, hour)
		v := c.update(updated, u, hour, c.create(updated, t.record("o"), hour))
		c.create(gone, t.record("q"), hour)
		c.delete(gone)
		c.create(touched, t.record("p"), hour)
		c.touch(touched, 2*hour)
		left = c.load(touched).TTL
		return v
	}
	v := write(f.client)
	c := f.client
	if f.Reopen == nil {
		t.note("closing in good order: no Subject.Reopen")
	} else {
		c = f.after("Reopen", func() (store.Store, error) { return f.Reopen(t.ctx) })
		check(c, "Reopen", r, u, v)
	}
	if f.Crash == nil {
		t.Skip("Subject.Crash is missing: nothing can be killed")
	}
	for _, id := range []string{kept, updated, touched} {
		c.delete(id)
	}
	v = write(c)
	c = f.after("Crash", func() (store.Store, error) { return f.Crash(t.ctx) })
	check(c, "Crash", r, u, v)
}

func crash2(t *T) {
	f := t.subject()
	if f.Crash == nil {
		t.Skip("Subject.Crash is missing: nothing can be killed")
	}
	size := 20000
	if f.MaxData > 0 {
		size = min(size, f.MaxData-8)
	}
	whole := func(owner string) store.Record {
		b := t.text(size)
		return store.Record{Data: fmt.Appendf(b, "%08x", crc32.ChecksumIEEE(b)), Owner: owner}
	}
	// check fails unless data is all of what was written at once.
	check := func(data []byte) bool {
		n := len(data) - 8
		if n >= 0 && string(data[n:]) == fmt.Sprintf("%08x", crc32.ChecksumIEEE(data[:n])) {
			return true
		}
		t.Errorf("after a kill while it was written, a session is neither the old nor the new one: %d bytes", len(data))
		return false
	}
	ids := t.newIDs(8)
	c := f.client
	for range 2 {
		var wg sync.WaitGroup
		var begun atomic.Int64
		var over atomic.Bool   // it was killed, if anything was
		defer over.Store(true) // if nothing could be
		// A store that finds its way back writes over what the kill has left: what it loads
		// meanwhile is looked at when nothing loads any more.
		var killing atomic.Bool
		loaded := make([][][]byte, len(ids))
		enough := make(chan struct{})
		for i, id := range ids {
			recs := []store.Record{whole(fmt.Sprint("o", i)), whole(fmt.Sprint("o", i))}
			write := func() {
				for n := 0; !over.Load(); n++ {
					switch all := begun.Add(1); {
					case all == 60:
						close(enough)
					case all > 500: // to kill takes longer: what is written meanwhile is not to fill the disk
						time.Sleep(2 * time.Millisecond)
					}
					e, err := c.s.Load(t.ctx, id)
					if errors.Is(err, store.ErrNotFound) {
						_, err = c.s.Create(t.ctx, id, recs[n%2], hour)
					} else if err == nil {
						if killing.Load() {
							loaded[i] = append(loaded[i], e.Data)
							loaded[i] = loaded[i][max(0, len(loaded[i])-300):] // longer than it takes
						}
						_, err = c.s.Update(t.ctx, id, recs[n%2], hour, e.Revision)
					}
					if err != nil {
						return // it was killed
					}
				}
			}
			wg.Go(func() { t.guard(write) })
		}
		idle := make(chan struct{})
		go func() { wg.Wait(); close(idle) }()
		select {
		case <-enough:
		case <-idle:
			t.Fatalf("the writers failed before anything was killed, after %d writes", begun.Load())
		}
		killing.Store(true)
		next := f.after("Crash", func() (store.Store, error) { return f.Crash(t.ctx) })
		over.Store(true)
		<-idle
		for _, data := range slices.Concat(loaded...) {
			if !check(data) {
				return
			}
		}
		c = next
		for i, id := range ids {
			e, err := c.Load(id)
			if errors.Is(err, store.ErrNotFound) || err == nil && !lives(e, err) {
				continue
			}
			if err != nil {
				t.Errorf("after a kill while it was written: %s", errText(err))
				continue
			}
			check(e.Data)
			c.lists("after a kill", fmt.Sprint("o", i), id)
		}
		if t.Failed() {
			return
		}
	}
}
