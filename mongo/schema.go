package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// The names of the indexes that [Store.Migrate] makes.
const (
	indexDeadline = "sojourn_deadline"
	indexOwner    = "sojourn_owner"
)

// indexes are for who cleans and for owners: one of the deadlines, by which the server
// removes what has expired (its TTL monitor, once a minute), and one of the owners, in
// which nobody's sessions are not.
func (l *layout) indexes() []mongo.IndexModel {
	owned := bson.D{{Key: l.owner, Value: bson.D{{Key: "$exists", Value: true}}}}
	return []mongo.IndexModel{
		{
			Keys:    bson.D{{Key: l.deadline, Value: 1}},
			Options: options.Index().SetName(indexDeadline).SetExpireAfterSeconds(0),
		},
		{
			Keys:    bson.D{{Key: l.owner, Value: 1}, {Key: l.id, Value: 1}},
			Options: options.Index().SetName(indexOwner).SetPartialFilterExpression(owned),
		},
	}
}

// Migrate makes the collection's two indexes, and the collection if it is missing. It may
// be called at any time, and by several processes at once.
//
// It refuses, with an error that wraps [store.ErrInvalid], a collection in which the
// contract would not hold: a view, a capped one, a time series, and one with a collation,
// for which two ids could be one.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("migrate", err)
	}
	if _, err := s.clock(ctx, reads); err != nil {
		return s.fail("migrate", err)
	}
	return s.fail("migrate", s.run(ctx, call.Kind{Patience: 30, Ends: true}, func(ctx context.Context, _ bool) error {
		if err := s.suits(ctx); err != nil {
			return err
		}
		_, err := s.docs.Indexes().CreateMany(ctx, s.doc.indexes())
		return err
	}))
}

// suits looks at what the collection is, if it is there. A user may be allowed to use a
// collection and not to look at it.
func (s *Store) suits(ctx context.Context) error {
	found, err := s.docs.Database().ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: s.docs.Name()}})
	if e, ok := errors.AsType[mongo.ServerError](err); ok && e.HasErrorCode(13) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range found {
		what := ""
		if c.Type != "" && c.Type != "collection" {
			what = "is a " + c.Type
		}
		for option, is := range map[string]string{"collation": "has a collation", "capped": "is capped", "timeseries": "is a time series"} {
			if v, err := c.Options.LookupErr(option); err == nil && !(v.Type == bson.TypeBoolean && !v.Boolean()) {
				what = is
			}
		}
		if what != "" {
			return fmt.Errorf("%w: the collection %s, in which sessions cannot be kept: have the store use another one", store.ErrInvalid, what)
		}
	}
	return nil
}

// oldest is the wire version of MongoDB 5.0, the first that can add to a date.
const oldest = 13

// clock asks the server whether sessions can be kept there, and what its clock says.
func (s *Store) clock(ctx context.Context, k call.Kind) (at bson.DateTime, err error) {
	var is struct {
		At       bson.DateTime `bson:"localTime"`
		Writable bool          `bson:"isWritablePrimary"`
		Version  int           `bson:"maxWireVersion"`
	}
	err = s.run(ctx, k, func(ctx context.Context, _ bool) error {
		err := s.docs.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&is)
		switch {
		case err != nil:
			return err
		case is.Version < oldest:
			return &refusal{text: "the server is older than MongoDB 5.0, and cannot add to a date"}
		case !is.Writable:
			return &refusal{passes: true, text: "the server is not the primary, and what it has may be old: name the members of the replica set in the URL, and not directConnection"}
		}
		return nil
	})
	return is.At, err
}

// refusal is a server that is not fit; or not now, if it passes: the driver may not have
// heard of an election yet.
type refusal struct {
	text   string
	passes bool
}

func (e *refusal) Error() string { return e.text }
