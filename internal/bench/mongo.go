package main

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"
)

// mg measures the store of package mongo against commands sent by hand.
type mg struct {
	server *mongoServer
	sizes  mgSizes
}

// mgSizes are how much of everything there is. A test takes less.
type mgSizes struct {
	held         int           // sessions of which a verb is compared
	small, large int           // of which one collection is the other grown
	stored       int           // sessions whose bytes are counted
	expired      int           // that are swept
	quiet        time.Duration // of a collection that is then swept
}

var mgFull = mgSizes{held: 4096, small: 10_000, large: crowd, stored: 50_000, expired: crowd, quiet: 10 * time.Second}

func (m *mg) rows() []row {
	return append([]row{{"mongo, the server", m.describe}}, verbRows("mongo", m.verb)...)
}

// describe shows what the figures depend on.
func (m *mg) describe(int) ([]line, error) {
	d, err := m.server.open()
	if err != nil {
		return nil, err
	}
	build, err := buildOf(d)
	if err != nil {
		return nil, err
	}
	said := "MongoDB " + build.Version
	if build.StandIn != "" {
		said = "SecantusDB " + build.StandIn + ", which says it is " + said
	}
	var is hello
	err = is.ask(ctx, d)
	if is.Set != "" {
		said += ", the replica set " + is.Set
	} else {
		said += ", no replica set"
	}
	return []line{{what: "mongo, the server", noise: said}}, err
}

// build is what the server is.
type build struct {
	Version string `bson:"version"`
	StandIn string `bson:"secantusVersion"` // of SecantusDB, where that stands in for MongoDB
}

func buildOf(d *driver.Database) (b build, err error) {
	err = d.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&b)
	return b, err
}

// collection is one of a store, with its indexes.
type collection struct {
	docs  *driver.Collection
	store *mongo.Store
	guests
}

func (m *mg) collection(name string) (*collection, error) {
	d, err := m.server.open()
	if err != nil {
		return nil, err
	}
	c := &collection{docs: d.Collection(name)}
	if c.store, err = mongo.New(c.docs, &mongo.Options{SweepEvery: -1}); err != nil {
		return nil, err
	}
	return c, c.store.Migrate(ctx)
}

// close removes the collection.
func (c *collection) close() {
	_ = c.store.Close()
	_ = c.docs.Drop(ctx)
}

// atOnce is how many documents one command makes or removes.
const atOnce = 1000

// batches calls f for all of them in batches, some at the same time.
func batches(all []visitor, f func(some []visitor) error) error {
	const most = 4
	each := slices.Collect(slices.Chunk(all, atOnce))
	return together(most, func(g int) error {
		for i := g; i < len(each); i += most {
			if err := f(each[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// insert makes their sessions as the store's Create would, so many at once that Create
// would take minutes.
func insert(into *driver.Collection, all []visitor, data func() []byte, deadline func() time.Time) error {
	return batches(all, func(some []visitor) error {
		docs := make([]bson.D, len(some))
		for i := range some {
			if some[i].revision == 0 {
				some[i].revision = store.NewRevision()
			}
			docs[i] = document(&some[i], data(), deadline())
		}
		_, err := into.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
		return err
	})
}

// insertLive likewise makes live ones, each with data of its own: a server may compress.
func insertLive(into *driver.Collection, all []visitor, bytes int) error {
	return insert(into, all, func() []byte { return noise(bytes) }, tomorrow)
}

func tomorrow() time.Time { return time.Now().Add(lifetime) }

// document is laid out as package mongo does it.
func document(v *visitor, data []byte, deadline time.Time) bson.D {
	doc := append(bson.D{{Key: "_id", Value: v.id}}, written(data, v.revision, deadline)...)
	if v.owner != "" {
		doc = append(doc, bson.E{Key: "owner", Value: v.owner})
	}
	return doc
}

// written are the fields that each write changes.
func written(data []byte, rev store.Revision, deadline time.Time) bson.D {
	return bson.D{
		{Key: "data", Value: bson.Binary{Data: data}},
		{Key: "revision", Value: int64(rev)},
		{Key: "deadline", Value: bson.NewDateTimeFromTime(deadline)},
	}
}

// dropAll removes what insert has made.
func dropAll(from *driver.Collection, all []visitor) error {
	return batches(all, func(some []visitor) error {
		ids := make([]string, len(some))
		for i := range some {
			ids[i] = some[i].id
		}
		_, err := from.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		return err
	})
}
