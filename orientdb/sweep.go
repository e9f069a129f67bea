package orientdb

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/sojourn-go/sojourn/store"
)

// batch is how many records one statement buries or deletes; where that takes longer than
// a call may, an eighth of it is, and so on.
const batch = 512

// Sweep implements [store.Sweeper]: it buries what has expired, the oldest first, in
// batches of 512, and deletes what was buried more than a minute ago, by whomever. Several
// processes may sweep at once. See record.go.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, err := s.bury(ctx, s.doc.due, nil)
	if err == nil {
		err = s.purge(ctx)
	}
	return n, s.fail("sweep", err)
}

// bury buries in batches what a statement finds, and returns how many it was. more adds
// parameters, unless it is nil.
func (s *Store) bury(ctx context.Context, what batched, more func(params) params) (total int, err error) {
	var open []string // marks whose count is not told yet: their statements may be at work still
	for size := batch; ; {
		mark := rand.Text()
		p := what(size).with().text("mark", markPrefix, mark)
		if more != nil {
			p = more(p)
		}
		n, attempts, err := s.work(ctx, p.body())
		all := err == nil && n < size
		switch {
		case err != nil:
			open = append(open, mark)
		case attempts > 1: // those before the last did not tell what they had buried
			if n, err := s.marked(ctx, mark); err == nil {
				total += n
			} else {
				open = append(open, mark)
			}
		default:
			total += n
		}
		if s.smaller(ctx, err, &size) {
			continue
		}
		if err == nil && !all {
			size = min(2*size, batch)
			continue
		}
		for _, mark := range open {
			n, failed := s.marked(ctx, mark)
			total += n
			if err == nil {
				err = failed
			}
		}
		return total, err
	}
}

// purge deletes what was buried more than a minute ago. It is not the caller's to know how
// many that are.
func (s *Store) purge(ctx context.Context) error {
	for size := batch; ; {
		n, _, err := s.work(ctx, s.doc.purge(size).with().body())
		switch {
		case s.smaller(ctx, err, &size):
		case err != nil || n < size:
			return err
		default:
			size = min(2*size, batch)
		}
	}
}

// work sends a statement of a batch until it was answered, and returns how many records the
// last attempt has changed.
func (s *Store) work(ctx context.Context, request []byte) (n, attempts int, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return 0, 0, err
	}
	err = s.run(ctx, sweeps, func(ctx context.Context, _ bool) (err error) {
		attempts++
		n, err = s.change(ctx, request)
		return err
	})
	return n, attempts, err
}

// smaller makes batches and pages smaller where one takes longer than a call may, though
// the caller has time and the server is there, and reports whether it has.
func (s *Store) smaller(ctx context.Context, err error, size *int) bool {
	if *size == 1 || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || unreached(err) || s.there(ctx) != nil {
		return false
	}
	*size /= 8
	return true
}

// marked is how many records were buried with a mark.
func (s *Store) marked(ctx context.Context, mark string) (n int, err error) {
	request := s.doc.marked.with().text("mark", markPrefix, mark).body()
	err = s.run(ctx, looks, func(ctx context.Context, _ bool) (err error) {
		n, err = s.count(ctx, request)
		return err
	})
	return n, err
}

func (s *Store) sweepInBackground(ctx context.Context) error {
	_, err := s.Sweep(ctx)
	return err
}
