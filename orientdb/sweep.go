package orientdb

import (
	"context"
	"crypto/rand"

	"github.com/sojourn-go/sojourn/store"
)

// batch is how many records one statement buries or deletes.
const batch = 500

// Sweep implements [store.Sweeper]: it buries what has expired, the oldest first, in
// batches of 500, and deletes what was buried more than a minute ago, by whomever. Several
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
func (s *Store) bury(ctx context.Context, what statement, more func(params) params) (total int, err error) {
	for {
		if err := s.check(store.CheckContext(ctx)); err != nil {
			return total, err
		}
		mark := rand.Text()
		p := what.with().text("mark", markPrefix, mark)
		if more != nil {
			p = more(p)
		}
		request, counted := p.body(), s.doc.buried.with().text("mark", markPrefix, mark).body()
		last, attempts := 0, 0
		err := s.run(ctx, sweeps, func(ctx context.Context, _ bool) (err error) {
			attempts++
			last, err = s.change(ctx, request)
			return err
		})
		n := last
		if attempts > 1 || err != nil { // one before the last buried what it did not tell
			again := s.run(ctx, looks, func(ctx context.Context, _ bool) (err error) {
				n, err = s.count(ctx, counted)
				return err
			})
			if err == nil {
				err = again
			}
		}
		total += n
		if err != nil || last < batch {
			return total, err
		}
	}
}

// purge deletes what was buried more than a minute ago. It is not the caller's to know how
// many that are.
func (s *Store) purge(ctx context.Context) error {
	request := s.doc.purge.with().body()
	for n := batch; n == batch; {
		if err := s.check(store.CheckContext(ctx)); err != nil {
			return err
		}
		err := s.run(ctx, sweeps, func(ctx context.Context, _ bool) (err error) {
			n, err = s.change(ctx, request)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepInBackground(ctx context.Context) error {
	_, err := s.Sweep(ctx)
	return err
}
