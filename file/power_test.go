package file_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// platter is a folder of a model of a disk, which keeps over a power cut what was synced,
// and of the rest any part: of the names that changed in a folder since its last sync any
// subset, and of what was written to a file since its last sync the whole, a half or
// nothing. A write in place of a few bytes is all there or not at all, as in a sector.
type platter struct {
	names   map[string]any // *platter or *content, as the running system sees them
	kept    map[string]any // as they are on the disk
	pending []change       // what has become of names since
}

// change is one of names in a folder: all of it or nothing.
type change struct {
	from, to string // "" for none
	what     any
}

type content struct {
	now, kept []byte
	versions  [][]byte // since the last sync
}

func newPlatter() *platter {
	return &platter{names: map[string]any{}, kept: map[string]any{}}
}

func (c *change) apply(names map[string]any) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.what
	}
}

func (p *platter) change(c change) error {
	c.apply(p.names)
	p.pending = append(p.pending, c)
	return nil
}

func (p *platter) file(name string) (*content, error) {
	f, ok := p.names[name].(*content)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f, nil
}

func (p *platter) Folder(name string, make bool) (file.Disk, error) {
	f, ok := p.names[name].(*platter)
	switch {
	case ok:
		return f, nil
	case !make:
		return nil, fs.ErrNotExist
	}
	f = newPlatter()
	return f, p.change(change{to: name, what: f})
}

func (p *platter) Read(name string) ([]byte, error) {
	f, err := p.file(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(f.now), nil
}

func (p *platter) Head(name string, b []byte) (int, error) {
	f, err := p.file(name)
	if err != nil {
		return 0, err
	}
	return copy(b, f.now), nil
}

func (p *platter) Create(name string) (file.Handle, error) {
	if p.names[name] != nil {
		return nil, fs.ErrExist
	}
	f := &content{}
	return f, p.change(change{to: name, what: f})
}

func (p *platter) WriteAt(name string, b []byte, at int64, sync bool) error {
	f, err := p.file(name)
	if err != nil {
		return err
	}
	f.now = slices.Clone(f.now)
	copy(f.now[at:], b)
	f.versions = append(f.versions, f.now)
	if sync {
		return f.Sync()
	}
	return nil
}

func (p *platter) Rename(from, to string) error {
	f, err := p.file(from)
	if err != nil {
		return err
	}
	return p.change(change{from, to, f})
}

func (p *platter) Remove(name string) error {
	if _, err := p.file(name); err != nil {
		return err
	}
	return p.change(change{from: name})
}

func (p *platter) Names() ([]string, error) { return slices.Collect(maps.Keys(p.names)), nil }
func (p *platter) Sync() error {
	p.kept, p.pending = maps.Clone(p.names), nil
	return nil
}
func (p *platter) TryLock() (bool, error) { return true, nil }
func (p *platter) Unlock() error          { return nil }
func (p *platter) Gone() bool             { return false }
func (p *platter) Close() error           { return nil }

func (f *content) Write(b []byte) (int, error) {
	half := append(slices.Clone(f.now), b[:len(b)/2]...)
	f.now = append(slices.Clone(f.now), b...)
	f.versions = append(f.versions, half, f.now)
	return len(b), nil
}

func (f *content) Sync() error {
	f.kept, f.versions = f.now, nil
	return nil
}
func (f *content) Close() error { return nil }

// cuts calls f with every disk that a power cut may leave.
func (p *platter) cuts(f func(*platter)) {
	for kept := range 1 << len(p.pending) {
		names := maps.Clone(p.kept)
		for i := range p.pending {
			if kept>>i&1 == 1 {
				p.pending[i].apply(names)
			}
		}
		// Of each thing that is there every version, in all combinations.
		left := newPlatter()
		var next func(rest []string)
		next = func(rest []string) {
			if len(rest) == 0 {
				f(left.copy())
				return
			}
			name := rest[0]
			switch x := names[name].(type) {
			case *platter:
				x.cuts(func(y *platter) { left.names[name] = y; next(rest[1:]) })
			case *content:
				for _, b := range append([][]byte{x.kept}, x.versions...) {
					left.names[name] = &content{now: b, kept: b}
					next(rest[1:])
				}
			}
		}
		next(slices.Sorted(maps.Keys(names)))
	}
}

// copy is a disk of which all is kept.
func (p *platter) copy() *platter {
	c := newPlatter()
	for name, x := range p.names {
		if f, ok := x.(*platter); ok {
			x = f.copy()
		}
		c.names[name] = x
	}
	c.kept = maps.Clone(c.names)
	return c
}

// errCut is what everything returns after the power cut.
var errCut = errors.New("no power")

// deed is what a workload is made of, and what may be there afterwards.
type deed struct {
	name string
	do   func(s *file.Store, v map[string]store.Revision) error
	id   string
	want string // the data; "" for none
}

func deeds() []deed {
	rec := func(data, owner string) store.Record { return store.Record{Data: []byte(data), Owner: owner} }
	create := func(id, data, owner string) deed {
		return deed{"create " + id, func(s *file.Store, v map[string]store.Revision) error {
			rev, err := s.Create(ctx, id, rec(data, owner), time.Hour)
			if err == nil {
				v[id] = rev
			}
			return err
		}, id, data}
	}
	update := func(id, data, owner string) deed {
		return deed{"update " + id, func(s *file.Store, v map[string]store.Revision) error {
			rev, err := s.Update(ctx, id, rec(data, owner), time.Hour, v[id])
			if err == nil {
				v[id] = rev
			}
			return err
		}, id, data}
	}
	return []deed{
		create("a", "a1", "alice"), update("a", "a2", "alice"), update("a", "a3", "bob"),
		{"touch a", func(s *file.Store, _ map[string]store.Revision) error { return s.Touch(ctx, "a", 2*time.Hour) }, "a", "same"},
		{"delete a", func(s *file.Store, _ map[string]store.Revision) error { return s.Delete(ctx, "a") }, "a", ""},
		create("b", "b1", "alice"),
		{"delete b", func(s *file.Store, _ map[string]store.Revision) error { return s.Delete(ctx, "b") }, "b", ""},
		{"end alice", func(s *file.Store, _ map[string]store.Revision) error {
			_, err := s.DeleteOwner(ctx, "alice")
			return err
		}, "alice", ""},
	}
}

// REL-02: after a power cut at any moment what was acknowledged is there, what was under
// way is there whole or not at all, and an owner's sessions are found by their owner. Every
// workload of up to three calls, cut after each call of the disk, with everything that
// the disk may have kept.
func TestREL02PowerCut(t *testing.T) {
	t.Parallel()
	all := deeds()
	cuts := 0
	var work func(done []deed)
	work = func(done []deed) {
		if len(done) > 0 {
			cuts += powerCut(t, done)
		}
		if len(done) == 3 || t.Failed() {
			return
		}
		for _, d := range all {
			work(append(slices.Clip(done), d))
		}
	}
	work(nil)
	t.Logf("%d disks", cuts)
	if cuts < 10_000 {
		t.Errorf("%d disks: this shows little", cuts)
	}
}

func powerCut(t *testing.T, work []deed) (cuts int) {
	for at := 0; ; at++ {
		root := newPlatter()
		calls, cut := 0, false
		hook := func(_ string, do func() error) error {
			if cut || calls == at {
				cut = true
				return errCut
			}
			calls++
			return do()
		}
		before := map[string]string{} // acknowledged; id to data
		owners := map[string]string{}
		after := before
		s, err := file.NewOn(file.Hooked(root, hook), &file.Options{SweepEvery: -1})
		if err == nil {
			v := map[string]store.Revision{}
			for _, d := range work {
				after = maps.Clone(before)
				known := before[d.id]
				switch {
				case d.id == "alice":
					maps.DeleteFunc(after, func(id, _ string) bool { return owners[id] == "alice" })
				case strings.HasPrefix(d.name, "create") && known == "", strings.HasPrefix(d.name, "update") && known != "":
					after[d.id] = d.want
				case d.want == "":
					delete(after, d.id)
				}
				err := d.do(s, v)
				if cut {
					break
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrInvalid) {
					t.Fatalf("%s: %v", d.name, err)
				}
				before = after
				for id, data := range before {
					owners[id] = map[bool]string{true: "bob", false: "alice"}[data == "a3"]
				}
			}
			_ = s.Close()
		}
		last := !cut // the last call of all was made: what follows is a cut at the end
		root.cuts(func(left *platter) {
			cuts++
			if why := survives(left, before, after); why != "" && !t.Failed() {
				var names []string
				for _, d := range work {
					names = append(names, d.name)
				}
				t.Errorf("%v, cut after %d calls of the disk, when %v was acknowledged and %v was to come: %s", names, at, before, after, why)
			}
		})
		if last || t.Failed() {
			return cuts
		}
	}
}

// survives returns what is wrong with what is left.
func survives(left *platter, before, after map[string]string) string {
	s, err := file.NewOn(left, &file.Options{SweepEvery: -1})
	if err != nil {
		return "it cannot be opened: " + err.Error()
	}
	defer s.Close()
	for _, id := range []string{"a", "b"} {
		e, err := s.Load(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("load of %s: %v", id, err)
		}
		if got := string(e.Data); got != before[id] && got != after[id] {
			return fmt.Sprintf("%s has %q", id, got)
		}
		if err == nil {
			found := false
			for l, err := range s.List(ctx, store.Query{Owner: e.Owner}) {
				found = found || err == nil && l.ID == id
			}
			if !found {
				return fmt.Sprintf("%s is not found by its owner", id)
			}
		}
	}
	// Whatever was left in between, it goes on.
	for _, id := range []string{"a", "b"} {
		if err := s.Delete(ctx, id); err != nil {
			return fmt.Sprintf("delete of %s: %v", id, err)
		}
		if _, err := s.Create(ctx, id, store.Record{Owner: "alice"}, time.Hour); err != nil {
			return fmt.Sprintf("create of %s: %v", id, err)
		}
	}
	if n, err := s.Count(ctx); n != 2 || err != nil {
		return fmt.Sprintf("count: %d, %v", n, err)
	}
	return ""
}

// REL-02, and a process that dies: one is killed at some call of the disk, another one makes
// the call again or what comes next, and then the power is cut. What that one has answered
// stands.
func TestREL02KilledThenCut(t *testing.T) {
	t.Parallel()
	end := func(s *file.Store) error { return s.Delete(ctx, "a") }
	endOwner := func(s *file.Store) error { _, err := s.DeleteOwner(ctx, "alice"); return err }
	for what, c := range map[string]struct {
		first, then func(s *file.Store) error
		bobs        bool // it may be bob's afterwards
	}{
		"delete":       {first: end, then: end},
		"delete owner": {first: endOwner, then: endOwner},
		"clear":        {first: func(s *file.Store) error { return s.Clear(ctx) }, then: func(s *file.Store) error { return s.Clear(ctx) }},
		"another owner": {first: func(s *file.Store) error {
			e, err := s.Load(ctx, "a")
			if err == nil {
				_, err = s.Update(ctx, "a", store.Record{Data: []byte("bob's"), Owner: "bob"}, time.Hour, e.Revision)
			}
			return err
		}, then: endOwner, bobs: true},
		"another owner, swept": {first: func(s *file.Store) error {
			e, err := s.Load(ctx, "a")
			if err == nil {
				_, err = s.Update(ctx, "a", store.Record{Data: []byte("bob's"), Owner: "bob"}, time.Hour, e.Revision)
			}
			return err
		}, then: func(s *file.Store) error { // which tidies one folder of owners of 256 each time
			for range 256 {
				if _, err := s.Sweep(ctx); err != nil {
					return err
				}
			}
			return endOwner(s)
		}, bobs: true},
	} {
		t.Run(what, func(t *testing.T) {
			cuts := 0
			for at, done := 0, false; !done && !t.Failed(); at++ {
				root := newPlatter()
				calls, armed := 0, false
				s, err := file.NewOn(file.Hooked(root, func(_ string, do func() error) error {
					if armed {
						if calls++; calls > at {
							return errCut
						}
					}
					return do()
				}), &file.Options{SweepEvery: -1})
				if err != nil {
					t.Fatal(err)
				}
				create(t, s, "a", "alice")
				armed = true
				done = c.first(s) == nil && calls <= at
				other, err := file.NewOn(root, &file.Options{SweepEvery: -1})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.then(other); err != nil {
					t.Fatalf("call %d: %v", at, err)
				}
				root.cuts(func(left *platter) {
					cuts++
					s, err := file.NewOn(left, &file.Options{SweepEvery: -1})
					if err != nil {
						t.Fatal(err)
					}
					e, err := s.Load(ctx, "a")
					if !errors.Is(err, store.ErrNotFound) && (!c.bobs || err != nil || e.Owner != "bob") {
						t.Errorf("killed at call %d, and then the power was cut: it is %q's, %v", at, e.Owner, err)
					}
				})
			}
			if t.Logf("%d disks", cuts); cuts < 10 {
				t.Errorf("%d disks: this shows little", cuts)
			}
		})
	}
}

// REL-02: a life that was made shorter is not long again.
func TestREL02ShorterLife(t *testing.T) {
	root := newPlatter()
	s, err := file.NewOn(root, &file.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "a", "alice") // for an hour
	if err := s.Touch(ctx, "a", time.Minute); err != nil {
		t.Fatal(err)
	}
	root.cuts(func(left *platter) {
		s, err := file.NewOn(left, &file.Options{SweepEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := s.Load(ctx, "a"); err != nil || e.TTL > time.Minute {
			t.Errorf("after the power was cut it has %v left, %v", e.TTL, err)
		}
	})
}
