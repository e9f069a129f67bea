package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
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
	case errors.Is(err, fs.ErrExist) && !newly:
		return false, nil
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	if err == nil && s.opts.Durability == Synced {
		err = d.Sync()
	}
	return entered, err
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
	for i, names := range shards {
		for len(names) > 0 && err == nil {
			n := min(len(names), batch)
			var live int
			live, err = s.removeOwned(ctx, i, names[:n], owner)
			ended, names = ended+live, names[n:]
		}
	}
	return ended, s.wrap("delete owner", err)
}
