package mongo

import (
	"context"
	"errors"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/store"
)

// page is how many sessions a listing asks for at a time; where that takes longer than a
// call may, since their data is large, morsel is.
const (
	page   = 500
	morsel = 8
)

// List implements [store.Lister], in pages in the order of the ids, each a query of its own
// that can be repeated.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		if err := s.check(store.CheckQuery(ctx, q)); err != nil {
			yield(store.Listed{}, s.fail("list", err))
			return
		}
		at, err := s.clock(ctx, reads)
		if err != nil {
			yield(store.Listed{}, s.fail("list", err))
			return
		}
		filter := bson.D{s.byDeadline("$gt", at)}
		if q.Owner != "" {
			filter = append(filter, bson.E{Key: s.doc.owner, Value: q.Owner})
		}
		after := ""
		for size := page; ; {
			found, last, err := s.page(ctx, filter, after, size, q.Data)
			if size == page && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				size = morsel
				continue
			}
			for _, l := range found {
				if !yield(l, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Listed{}, s.fail("list", err))
				return
			}
			if last == "" {
				return
			}
			after = last
		}
	}
}

// page returns the sessions that the filter finds after an id, and the last id that was
// looked at; "" at the end. What has expired since the listing began is not among them.
func (s *Store) page(ctx context.Context, filter bson.D, after string, size int, data bool) (found []store.Listed, last string, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return nil, "", err
	}
	filter = append(bson.D{{Key: s.doc.id, Value: bson.D{{Key: "$gt", Value: after}}}}, filter...)
	order := []any{bson.D{{Key: "$sort", Value: bson.D{{Key: s.doc.id, Value: 1}}}}, bson.D{{Key: "$limit", Value: size}}}
	hint := options.Aggregate()
	if len(filter) == 2 { // nobody in particular: or a planner may find them all by their deadlines, and sort them
		hint.SetHint(bson.D{{Key: s.doc.id, Value: 1}})
	}
	err = s.run(ctx, reads, func(ctx context.Context, _ bool) error {
		n := 0
		found, last = nil, ""
		err := s.each(ctx, filter, order, hint, data, func(id string, e store.Entry, err error) bool {
			n++
			last = id
			if err == nil {
				found = append(found, store.Listed{ID: id, Entry: e})
			}
			return true
		})
		if n < size {
			last = ""
		}
		return err
	})
	return found, last, err
}

// each calls f for each document that the filter finds, as the layout reads it, until f
// returns false.
func (s *Store) each(ctx context.Context, filter bson.D, order []any, opts options.Lister[options.AggregateOptions], data bool, f func(string, store.Entry, error) bool) error {
	pipeline := make([]any, 0, 4)
	pipeline = append(pipeline, bson.D{{Key: "$match", Value: filter}})
	pipeline = append(pipeline, order...)
	if data {
		pipeline = append(pipeline, s.doc.withData)
	} else {
		pipeline = append(pipeline, s.doc.withoutData)
	}
	c, err := s.docs.Aggregate(ctx, pipeline, opts)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for c.Next(ctx) {
		if !f(s.doc.decode(c.Current, data)) {
			return nil
		}
	}
	return c.Err()
}

// Count implements [store.Counter]. It looks at every entry of the index of deadlines.
func (s *Store) Count(ctx context.Context) (n int, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return 0, s.fail("count", err)
	}
	at, err := s.clock(ctx, reads) // a server that is not there is not waited for as long as for the count
	if err != nil {
		return 0, s.fail("count", err)
	}
	err = s.run(ctx, scans, func(ctx context.Context, _ bool) error {
		found, err := s.docs.CountDocuments(ctx, bson.D{s.byDeadline("$gt", at)})
		n = int(found)
		return err
	})
	return n, s.fail("count", err)
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := s.check(store.CheckDeleteOwner(ctx, owner)); err != nil {
		return 0, s.fail("delete owner", err)
	}
	at, err := s.clock(ctx, looks)
	if err != nil {
		return 0, s.fail("delete owner", err)
	}
	which := bson.E{Key: s.doc.owner, Value: owner}
	n, err := s.remove(ctx, bson.D{which, s.byDeadline("$gt", at)})
	if err == nil {
		_, err = s.remove(ctx, bson.D{which}) // what has expired does not count
	}
	return n, s.fail("delete owner", err)
}

// Clear implements [store.Clearer]. The collection and its indexes stay.
func (s *Store) Clear(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("clear", err)
	}
	_, err := s.remove(ctx, bson.D{})
	return s.fail("clear", err)
}
