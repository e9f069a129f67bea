package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// tempPrefix begins the names of files that are being written. One that is there while
// nobody holds the folder's lock was left by a process that died.
const tempPrefix = "new-"

// writer changes one session, whose folder it has locked.
type writer struct {
	s *Store
	d disk // nil: the folder is not there, and is not to be made
	n name

	wrote store.Revision // that is in the file afterwards; 0 if there is none
}

// write has do change the session under id, alone in all processes.
func (s *Store) write(ctx context.Context, id string, make bool, refused error, do func(*writer) error) (err error) {
	if err := s.begin(refused); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	n := nameOf(id)
	d, unlock, err := s.hold(ctx, n.shard(), make)
	if errors.Is(err, fs.ErrNotExist) {
		return do(&writer{s: s, n: n})
	}
	if err != nil {
		return err
	}
	w := &writer{s: s, d: d, n: n}
	done := false
	defer func() { // also if a function of the caller's panics
		if e := unlock(); e != nil && done && err == nil {
			err = w.outcome(e)
		}
	}()
	err = s.keepWritten(&s.sessions[n.shard()])
	if err == nil {
		err = do(w)
	}
	done = true
	return err
}

func (s *Store) keepWritten(f *folder) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.keep(f)
}

// outcome finds out what others see of a change after which the lock could not be given
// back as it should.
func (w *writer) outcome(failed error) error {
	r, err := w.read()
	switch {
	case w.wrote == 0 && errors.Is(err, store.ErrNotFound), err == nil && r.revision == w.wrote:
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrUnknown, failed)
}

// read returns what is there, expired or not.
func (w *writer) read() (*record, error) {
	if w.d == nil {
		return nil, store.ErrNotFound
	}
	r, err := w.s.read(w.d, w.n)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// live is read of what has not expired. What has expired is returned with the error.
func (w *writer) live() (*record, error) {
	r, err := w.read()
	if err == nil && !r.deadline.After(w.s.now()) {
		err = store.ErrNotFound
	}
	return r, err
}

// replace puts r in the place of old, nil if there is none: whole, or not at all.
//
// The owner's entry comes first: one without a session is looked over, but a session
// without an entry could not be ended by its owner.
func (w *writer) replace(old, r *record) (err error) {
	before := ""
	if old != nil {
		before = old.owner
	}
	entered, err := w.s.enter(r.owner, w.n, r.owner != before)
	if err != nil {
		return err
	}
	if err := w.put(r); err != nil {
		if entered && r.owner != before && !errors.Is(err, store.ErrUnknown) {
			err = errors.Join(err, w.s.leave(r.owner, w.n))
		}
		return err
	}
	if before != r.owner {
		w.s.tell(w.s.leave(before, w.n)) // looked over if it stays
	}
	return nil
}

func (w *writer) put(r *record) error {
	temp := tempPrefix + rand.Text()
	if err := writeFile(w.d, temp, r.encode(), w.s.opts.Durability == Synced); err != nil {
		return errors.Join(err, discard(w.d, temp))
	}
	if err := w.d.Rename(temp, string(w.n)); err != nil {
		switch now, e := w.read(); {
		case e == nil && now.revision == r.revision: // it was made all the same
		case e != nil && !errors.Is(e, store.ErrNotFound) && !errors.Is(e, store.ErrCorrupt):
			return fmt.Errorf("%w: %w", store.ErrUnknown, errors.Join(err, e))
		default:
			return errors.Join(err, discard(w.d, temp))
		}
	}
	w.wrote = r.revision
	return w.sync()
}

// discard removes a file that came to nothing. What stays is removed by a sweep.
func discard(d disk, temp string) error {
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeFile writes a new file. That a disk has not got it is an error and is not asked
// again: the system has thrown away what it could not write (REL-04).
func writeFile(d disk, name string, b []byte, sync bool) (err error) {
	h, err := d.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if _, err := h.Write(b); err != nil {
		return err
	}
	if sync {
		return h.Sync()
	}
	return nil
}

// sync makes a change of names survive a power cut. The change is made already.
func (w *writer) sync() error {
	if w.d == nil || w.s.opts.Durability != Synced {
		return nil
	}
	if err := w.d.Sync(); err != nil {
		return fmt.Errorf("%w: it was made, but the disk may not have it: %w", store.ErrUnknown, err)
	}
	return nil
}

// touch writes another deadline into the file. Readers see it whole or not at all, or
// look again: it has a checksum of its own.
func (w *writer) touch(old *record, deadline time.Time) error {
	if _, err := w.s.enter(old.owner, w.n, false); err != nil {
		return err
	}
	w.wrote = old.revision
	// A life that was made shorter must not be long again after a power cut.
	sync := deadline.Before(old.deadline) && w.s.opts.Durability == Synced
	return w.d.WriteAt(string(w.n), encodeDeadline(deadline), deadlineAt, sync)
}

// remove takes the session away; old is what it was, nil if it could not be read.
func (w *writer) remove(old *record) error {
	if err := w.d.Remove(string(w.n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		switch _, e := w.read(); {
		case errors.Is(e, store.ErrNotFound): // it was made all the same
		case e == nil || errors.Is(e, store.ErrCorrupt):
			return err
		default:
			return fmt.Errorf("%w: %w", store.ErrUnknown, errors.Join(err, e))
		}
	}
	if err := w.sync(); err != nil {
		return err
	}
	if old != nil {
		w.s.tell(w.s.leave(old.owner, w.n))
	}
	return nil
}
