package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/store"
)

// Sweep implements [store.Sweeper]: it removes what has expired, the oldest first, in
// batches of 500, and looks at the deadline again in the command that removes. Several
// processes may sweep at once, beside the server's own TTL monitor.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return 0, s.fail("sweep", err)
	}
	at, err := s.clock(ctx, looks)
	if err != nil {
		return 0, s.fail("sweep", err)
	}
	n, err := s.remove(ctx, bson.D{s.byDeadline("$lte", at)})
	return n, s.fail("sweep", err)
}

// batch is how many documents one command removes; where that takes longer than a call may,
// less is that many.
const (
	batch = 500
	less  = 20
)

// remove removes what the filter finds, in batches. The filter is asked again by the
// command that removes.
func (s *Store) remove(ctx context.Context, filter bson.D) (total int, err error) {
	for size := batch; ; {
		if err := s.check(store.CheckContext(ctx)); err != nil {
			return total, err
		}
		ids, err := s.ids(ctx, filter, size)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		which := append(bson.D{{Key: s.doc.id, Value: bson.D{{Key: "$in", Value: ids}}}}, filter...)
		err = s.run(ctx, sweeps, func(ctx context.Context, _ bool) error {
			r, err := s.docs.DeleteMany(ctx, which)
			if r != nil {
				total += int(r.DeletedCount)
			}
			return err
		})
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && size == batch:
			size = less
		case err != nil || len(ids) < size:
			return total, err
		}
	}
}

// ids are those of a batch of what the filter finds.
func (s *Store) ids(ctx context.Context, filter bson.D, size int) (ids bson.A, err error) {
	opts := options.Find().SetProjection(bson.D{{Key: s.doc.id, Value: 1}}).SetLimit(int64(size)).SetBatchSize(int32(size))
	if len(filter) == 1 {
		opts.SetSort(bson.D{{Key: filter[0].Key, Value: 1}}) // the oldest first
	}
	err = s.run(ctx, looks, func(ctx context.Context, _ bool) error {
		ids = nil
		c, err := s.docs.Find(ctx, filter, opts)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		for c.Next(ctx) {
			// Of whatever type: who clears a collection wants all of it gone.
			id := c.Current.Lookup(s.doc.id)
			ids = append(ids, bson.RawValue{Type: id.Type, Value: append([]byte(nil), id.Value...)})
		}
		return c.Err()
	})
	return ids, err
}

func (s *Store) sweepInBackground(ctx context.Context) error {
	_, err := s.Sweep(ctx)
	return err
}
