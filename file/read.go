package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// attempts is how often a file is read that does not make sense: a touch may be writing
// into it.
const attempts = 3

// read reads the session that is under a name, expired or not.
func (s *Store) read(d disk, n name) (r record, err error) {
	err = s.understand(n, func() (ok bool, err error) {
		b, err := d.Read(string(n))
		if err == nil {
			r, ok = decode(b)
			ok = ok && nameOf(r.id) == n
		}
		return ok, err
	})
	if err != nil {
		return record{}, err
	}
	return r, nil
}

// expires reads only the deadline of a session.
func (s *Store) expires(d disk, n name) (at time.Time, err error) {
	err = s.understand(n, func() (ok bool, err error) {
		var b [deadlineEnd]byte
		k, err := d.Head(string(n), b[:])
		if err == nil {
			at, ok = decodeDeadline(b[:k])
		}
		return ok, err
	})
	return at, err
}

// understand reads a file until it makes sense. What never does is ErrCorrupt.
func (s *Store) understand(n name, read func() (ok bool, err error)) error {
	for try := 1; ; try++ {
		ok, err := read()
		switch {
		case ok:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return store.ErrNotFound
		case err != nil && !errors.Is(err, errForeign):
			return err
		case err != nil || try == attempts:
			s.tellOnce(n)
			return store.ErrCorrupt
		}
	}
}

// passed reports whether a listing goes on past an error: it is about a session that has
// gone meanwhile, or that nobody can read.
func passed(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt)
}

// troubles are the errors that something goes on past: of one bad sector, or one folder, the
// rest must not suffer. The first is told in the end.
type troubles struct{ first error }

// note returns an error that ends everything: of the context, or the store's end.
func (t *troubles) note(err error) error {
	for _, end := range []error{context.DeadlineExceeded, context.Canceled, store.ErrClosed, errEnough} {
		if errors.Is(err, end) {
			return err
		}
	}
	if t.first == nil {
		t.first = err
	}
	return nil
}

// told are the files that OnError was told of, as many as may be remembered.
type told struct {
	mu    sync.Mutex
	names map[name]bool
}

const maxTold = 10000

func (s *Store) tellOnce(n name) {
	s.told.mu.Lock()
	known := s.told.names[n] || len(s.told.names) == maxTold
	if !known {
		if s.told.names == nil {
			s.told.names = map[name]bool{}
		}
		s.told.names[n] = true
	}
	s.told.mu.Unlock()
	if !known {
		s.tell(fmt.Errorf("file: %w: %s/%s is left as it is, for somebody to look at; Delete of its session removes it", store.ErrCorrupt, n[:2], n))
	}
}

func (s *Store) tell(err error) {
	if err != nil && s.opts.OnError != nil {
		s.opts.OnError(err)
	}
}
