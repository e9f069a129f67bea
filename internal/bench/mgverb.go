package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sojourn-go/sojourn/store"
)

// verb compares a verb of the store with the command that a program would send, to a
// collection that has the same sessions and no index but that of the ids: nobody can list
// by owner, and nothing finds what has expired.
func (m *mg) verb(name string, owned bool, goroutines, cycles int) ([]line, error) {
	c, err := m.collection("sessions")
	if err != nil {
		return nil, err
	}
	defer c.close()
	raw := c.docs.Database().Collection("raw")
	defer func() { _ = raw.Drop(ctx) }()
	data := noise(dataBytes)
	v := verb{what: fmt.Sprintf("mongo, %s, 512 B, %s", name, whose(owned)), goroutines: goroutines, of: m.sizes.held}
	switch name {
	case "load":
		v.must = 1.1
	case "update":
		v.must = 1.15
	}
	in := func(docs *driver.Collection, call func(ctx context.Context, v *visitor) error) side {
		return side{
			call:   call,
			put:    func(all []visitor) error { return insertLive(docs, all, dataBytes) },
			remove: func(all []visitor) error { return dropAll(docs, all) },
		}
	}
	err = v.between(name, func(n int) []visitor { return c.visitors(n, owned) },
		in(c.docs, callOf(c.store, name, data)), in(raw, byHand(raw, name, data)))
	if err != nil {
		return nil, err
	}
	return v.compare(cycles)
}

// byHand returns the command in the place of a verb.
func byHand(docs *driver.Collection, name string, data []byte) func(ctx context.Context, v *visitor) error {
	set := func(ctx context.Context, v *visitor, fields bson.D) error {
		r, err := docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: v.id}}, bson.D{{Key: "$set", Value: fields}})
		if err == nil && r.MatchedCount != 1 {
			err = fmt.Errorf("updated %d documents", r.MatchedCount)
		}
		return err
	}
	switch name {
	case "load":
		return func(ctx context.Context, v *visitor) error { return find(ctx, docs, v.id) }
	case "create":
		return func(ctx context.Context, v *visitor) error {
			v.revision = store.NewRevision()
			_, err := docs.InsertOne(ctx, document(v, data, tomorrow()))
			return err
		}
	case "update":
		return func(ctx context.Context, v *visitor) error {
			return set(ctx, v, written(data, store.NewRevision(), tomorrow()))
		}
	case "touch":
		return func(ctx context.Context, v *visitor) error {
			return set(ctx, v, bson.D{{Key: "deadline", Value: bson.NewDateTimeFromTime(tomorrow())}})
		}
	}
	return func(ctx context.Context, v *visitor) error {
		r, err := docs.DeleteOne(ctx, bson.D{{Key: "_id", Value: v.id}})
		if err == nil && r.DeletedCount != 1 {
			err = fmt.Errorf("deleted %d documents", r.DeletedCount)
		}
		return err
	}
}

// find reads a session by hand.
func find(ctx context.Context, docs *driver.Collection, id string) error {
	doc, err := docs.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
	if err != nil {
		return err
	}
	if _, data, ok := doc.Lookup("data").BinaryOK(); !ok || len(data) != dataBytes {
		err = fmt.Errorf("read %d B", len(data))
	}
	return err
}
