package file

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// batch is how many sessions are removed under one lock.
const batch = 100

// List implements [store.Lister]. It reads the names of one folder of 256 at a time, and
// then the sessions one by one; for an owner, those of the owner.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		err := s.list(ctx, q, func(l store.Listed) bool { return yield(l, nil) })
		if err != nil {
			yield(store.Listed{}, s.wrap("list", err))
		}
	}
}

// errEnough means that nobody wants the rest of a listing.
var errEnough = errors.New("enough")

func (s *Store) list(ctx context.Context, q store.Query, yield func(store.Listed) bool) error {
	err := s.walk(ctx, q, func(d disk, n name) error {
		var r record
		err := s.step(nil, func() (err error) { r, err = s.read(d, n); return err })
		if err != nil {
			if passed(err) {
				return nil
			}
			return err
		}
		left := r.deadline.Sub(s.now())
		if left <= 0 || q.Owner != "" && r.owner != q.Owner {
			return nil
		}
		l := store.Listed{ID: r.id, Entry: r.entry(left)}
		if !q.Data {
			l.Data = nil
		}
		if !yield(l) {
			return errEnough
		}
		return nil
	}, store.CheckQuery(ctx, q))
	if err == errEnough {
		return nil
	}
	return err
}

// walk calls f with the sessions that are there, or those of an owner. Close does not
// wait for who goes through a listing: each step is a call of its own.
func (s *Store) walk(ctx context.Context, q store.Query, f func(d disk, n name) error, refused error) error {
	if err := s.step(refused, func() error { return nil }); err != nil {
		return err
	}
	if q.Owner != "" {
		var names []name
		err := s.step(nil, func() (err error) { names, err = s.owned(q.Owner); return err })
		if err != nil {
			return err
		}
		return s.visit(ctx, names, f)
	}
	var t troubles
	for i := range s.sessions {
		var names []name
		err := s.step(store.CheckContext(ctx), func() (err error) { names, err = s.names(ctx, i); return err })
		if err == nil {
			err = s.visit(ctx, names, f)
		}
		if err := t.note(err); err != nil {
			return err
		}
	}
	return t.first
}

func (s *Store) visit(ctx context.Context, names []name, f func(d disk, n name) error) error {
	var t troubles
	for _, n := range names {
		var d disk
		err := s.step(store.CheckContext(ctx), func() (err error) {
			d, err = s.present(&s.sessions[n.shard()], sessionFolder, n.shard(), false)
			return missing(err)
		})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = f(d, n)
		}
		if err := t.note(err); err != nil {
			return err
		}
	}
	return t.first
}

func (s *Store) step(refused error, f func() error) error {
	if err := s.begin(refused); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	return f()
}

// names returns the sessions of a folder. It holds the lock: while files are renamed
// over others a folder may give out a name twice, or not at all. What a process has left
// that died while it wrote is removed.
func (s *Store) names(ctx context.Context, shard int) (names []name, err error) {
	d, unlock, err := s.hold(ctx, shard, false)
	if errors.Is(missing(err), store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	all, err := d.Names()
	if err != nil {
		return nil, err
	}
	for _, text := range all {
		switch {
		case isName(text) && name(text).shard() == shard:
			names = append(names, name(text))
		case len(text) > len(tempPrefix) && text[:len(tempPrefix)] == tempPrefix:
			s.tell(d.Remove(text))
		}
	}
	return names, nil
}

// bury makes an end of sessions that are not in a folder any more: the entries of their
// owners go last, since a power cut could bring back a session without its entry.
func (s *Store) bury(d disk, gone map[name]string) error {
	w := &writer{s: s, d: d}
	if err := w.sync(); err != nil {
		return err
	}
	for n, owner := range gone {
		s.tell(s.leave(owner, n))
	}
	return nil
}

// Count implements [store.Counter]. It reads the beginning of each file.
func (s *Store) Count(ctx context.Context) (int, error) {
	n := 0
	err := s.walk(ctx, store.Query{}, func(d disk, nm name) error {
		var at time.Time
		err := s.step(nil, func() (err error) { at, err = s.expires(d, nm); return err })
		if err == nil && at.After(s.now()) {
			n++
		}
		if passed(err) {
			return nil
		}
		return err
	}, store.CheckContext(ctx))
	return n, s.wrap("count", err)
}

// Clear implements [store.Clearer]. Files that it cannot read are removed too.
func (s *Store) Clear(ctx context.Context) error {
	if err := s.begin(store.CheckContext(ctx)); err != nil {
		return s.wrap("clear", err)
	}
	defer s.calls.RUnlock()
	var t troubles
	for i := range s.sessions {
		names, err := s.names(ctx, i)
		if err == nil {
			// Also where there is none: who removed them may have died before it was synced.
			err = s.clear(ctx, i, names[:min(len(names), batch)])
		}
		for n := batch; n < len(names) && err == nil; n += batch {
			err = s.clear(ctx, i, names[n:min(len(names), n+batch)])
		}
		if err := t.note(err); err != nil {
			return s.wrap("clear", err)
		}
	}
	for i := range s.owners {
		if err := t.note(s.tidy(ctx, i)); err != nil {
			return s.wrap("clear", err)
		}
	}
	return s.wrap("clear", t.first)
}

func (s *Store) clear(ctx context.Context, shard int, names []name) (err error) {
	d, unlock, err := s.hold(ctx, shard, false)
	if err != nil {
		if errors.Is(missing(err), store.ErrNotFound) {
			return nil
		}
		return err
	}
	var t troubles
	gone := map[name]string{} // and whose it was
	defer func() { err = errors.Join(err, t.first, s.bury(d, gone), unlock()) }()
	for _, n := range names {
		w := &writer{s: s, d: d, n: n}
		r, _ := w.read()
		if err := d.Remove(string(n)); err != nil && !errors.Is(missing(err), store.ErrNotFound) {
			if err := t.note(err); err != nil {
				return err
			}
			continue
		}
		gone[n] = ""
		if r != nil {
			gone[n] = r.owner
		}
	}
	return nil
}
