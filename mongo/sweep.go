package mongo

import (
	"context"

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
	n, err := s.remove(ctx, bson.D{byDeadline("$lte", at)})
	return n, s.fail("sweep", err)
}

// batch is how many documents one command removes.
const batch = 500

// remove removes what the filter finds, in batches. The filter is asked again by the command that removes.
func (s *Store) remove(ctx context.Context, filter bson.D) (total int, err error) {
	for {
		if err := s.check(store.CheckContext(ctx)); err != nil {
			return total, err
		}
		ids, err := s.ids(ctx, filter)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		which := append(bson.D{{Key: fieldID, Value: bson.D{{Key: "$in", Value: ids}}}}, filter...)
		err = s.run(ctx, sweeps, func(ctx context.Context, _ bool) error {
			r, err := s.docs.DeleteMany(ctx, which)
			if r != nil {
				total += int(r.DeletedCount)
			}
			return err
		})
		if err != nil || len(ids) < batch {
			return total, err
		}
	}
}

// ids are those of a batch of what the filter finds.
func (s *Store) ids(ctx context.Context, filter bson.D) (ids bson.A, err error) {
	opts := options.Find().SetProjection(bson.D{{Key: fieldID, Value: 1}}).SetLimit(batch).SetBatchSize(batch)
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
			id := c.Current.Lookup(fieldID)
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
