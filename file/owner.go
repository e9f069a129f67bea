package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// Which sessions an owner has stands in the folders owner-00 to owner-ff, as the names of
// empty files: a digest of the owner, and the session's name. An owner's sessions are
// found by reading the names of one folder, and no session. Entries are made and taken
// away only under the lock of the session's folder; one without its session is looked
// over, and tidied away in the end.

const ownerLen = 32

// ownerOf is a digest of an owner.
func ownerOf(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:ownerLen/2])
}

// enter notes that owner has a session, and reports whether that was not known. The note
// of a session that is only now the owner's must survive a power cut: also one that was
// there, since who made it may have died before it was synced.
func (s *Store) enter(owner string, n name, newly bool) (entered bool, err error) {
	if owner == "" {
		return false, nil
	}
	o := ownerOf(owner)
	i := name(o).shard()
	d, err := s.present(&s.owners[i], ownerFolder, i, true)
	if err != nil {
		return false, err
	}
	h, err := d.Create(entry(o, n))
	switch {
	case err == nil:
		entered = true
		err = h.Close()
	case errors.Is(err, fs.ErrExist):
		if err = nil; !newly && s.isNoted(&s.owners[i]) {
			return false, nil
		}
	}
	if err == nil && s.opts.Durability == Synced {
		err = d.Sync()
	}
	if err == nil {
		s.owners[i].mu.Lock()
		s.owners[i].noted = true
		s.owners[i].mu.Unlock()
	}
	return entered, err
}

// isNoted reports whether the folder was synced since this process came to it: an entry
// that was there may be of one that never syncs, or that died.
func (s *Store) isNoted(f *folder) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.noted || s.opts.Durability != Synced
}

// leave takes the note back.
func (s *Store) leave(owner string, n name) error {
	if owner == "" {
		return nil
	}
	o := ownerOf(owner)
	i := name(o).shard()
	d, err := s.present(&s.owners[i], ownerFolder, i, false)
	if err == nil {
		err = d.Remove(entry(o, n))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func entry(owner string, n name) string { return owner + "-" + string(n) }

// entryOf reads an entry; ok is false for what is none.
func entryOf(text string) (owner string, n name, ok bool) {
	owner, rest, ok := strings.Cut(text, "-")
	return owner, name(rest), ok && len(owner) == ownerLen && isName(rest)
}

// isName reports whether a file can be a session's.
func isName(text string) bool {
	if len(text) != nameLen {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// owned returns the names of the sessions that an owner is noted to have.
func (s *Store) owned(owner string) (names []name, err error) {
	o := ownerOf(owner)
	i := name(o).shard()
	d, err := s.present(&s.owners[i], ownerFolder, i, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := d.Names()
	for _, text := range all {
		if of, n, ok := entryOf(text); ok && of == o {
			names = append(names, n)
		}
	}
	return names, err
}

// DeleteOwner implements [store.OwnerDeleter]. It holds the lock of a folder for as long
// as it takes to remove the owner's sessions in it.
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := s.begin(store.CheckDeleteOwner(ctx, owner)); err != nil {
		return 0, s.wrap("delete owner", err)
	}
	defer s.calls.RUnlock()
	names, err := s.owned(owner)
	if err != nil {
		return 0, s.wrap("delete owner", err)
	}
	var shards [256][]name
	for _, n := range names {
		shards[n.shard()] = append(shards[n.shard()], n)
	}
	ended := 0
	var t troubles
	for i, names := range shards {
		for len(names) > 0 {
			n := min(len(names), batch)
			live, err := s.removeOwned(ctx, i, names[:n], owner)
			ended, names = ended+live, names[n:]
			if err := t.note(err); err != nil {
				return ended, s.wrap("delete owner", err)
			}
		}
	}
	return ended, s.wrap("delete owner", t.first)
}

// removeOwned removes an owner's sessions in a folder, and returns how many of them were
// live. The entries for those that it has not any more are removed too.
func (s *Store) removeOwned(ctx context.Context, shard int, names []name, owner string) (live int, err error) {
	d, unlock, err := s.hold(ctx, shard, false)
	if err != nil && !errors.Is(missing(err), store.ErrNotFound) {
		return 0, err
	}
	if err != nil {
		return 0, nil // tidied away in the end: without the lock nothing may be
	}
	var t troubles
	gone := map[name]string{} // and whose it was
	defer func() { err = errors.Join(err, t.first, s.bury(d, gone), unlock()) }()
	for _, n := range names {
		w := &writer{s: s, d: d, n: n}
		r, err := w.read()
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && r.owner != owner:
			gone[n] = owner
			continue
		case errors.Is(err, store.ErrCorrupt):
			continue
		case err == nil:
			err = d.Remove(string(n))
		}
		if err != nil {
			if err := t.note(err); err != nil {
				return live, err
			}
			continue
		}
		gone[n] = owner
		if r.deadline.After(s.now()) {
			live++
		}
	}
	return live, nil
}

// tidy removes the entries of one folder of owners that have no session.
func (s *Store) tidy(ctx context.Context, i int) error {
	d, err := s.present(&s.owners[i], ownerFolder, i, false)
	if err != nil {
		if errors.Is(missing(err), store.ErrNotFound) {
			return nil
		}
		return err
	}
	all, err := d.Names()
	if err != nil {
		return err
	}
	slices.Sort(all)
	for _, text := range all {
		owner, n, ok := entryOf(text)
		if !ok {
			continue
		}
		if err := store.CheckContext(ctx); err != nil {
			return err
		}
		if s.has(owner, n) {
			continue
		}
		if err := s.tidyEntry(ctx, d, text, owner, n); err != nil {
			return err
		}
	}
	return nil
}

// tidyEntry looks again under the lock: a session's entry is there before the session.
func (s *Store) tidyEntry(ctx context.Context, d disk, text, owner string, n name) (err error) {
	sd, unlock, err := s.hold(ctx, n.shard(), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if s.has(owner, n) {
		return nil
	}
	if err := (&writer{s: s, d: sd}).sync(); err != nil {
		return err
	}
	if err := d.Remove(text); err != nil && !errors.Is(missing(err), store.ErrNotFound) {
		return err
	}
	return nil
}

// has reports whether a session is an owner's, or may be.
func (s *Store) has(owner string, n name) bool {
	d, err := s.disk(&s.sessions[n.shard()], sessionFolder, n.shard(), false)
	if err != nil {
		return !errors.Is(missing(err), store.ErrNotFound)
	}
	r, err := s.read(d, n)
	if err != nil {
		return !errors.Is(err, store.ErrNotFound)
	}
	return r.owner != "" && ownerOf(r.owner) == owner
}
