package main

import (
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

func (m *mg) sweepRows() []row { return []row{{"mongo, sweep", m.sweep}} }

// sweep measures loads of a collection during a Sweep, where the server does not sweep by
// itself: its index of the deadlines has no TTL.
func (m *mg) sweep(int) ([]line, error) {
	c, err := m.collection("swept")
	if err != nil {
		return nil, err
	}
	defer c.close()
	indexes := c.docs.Indexes()
	if err := indexes.DropOne(ctx, "sojourn_deadline"); err != nil {
		return nil, err
	}
	if _, err := indexes.CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "deadline", Value: 1}}}); err != nil {
		return nil, err
	}
	build, err := buildOf(c.docs.Database())
	if err != nil {
		return nil, err
	}
	expired := m.sizes.expired
	if build.StandIn != "" {
		expired = min(expired, 20_000) // for each batch it looks at all that has expired
	}
	all := c.visitors(m.sizes.held, true)
	if err := insertLive(c.docs, all, dataBytes); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := insert(c.docs, c.visitors(expired, true), func() []byte { return noise(dataBytes) },
		func() time.Time { return now.Add(-2*time.Hour - rand.N(20*time.Hour)) }); err != nil {
		return nil, err
	}
	m.server.settle()
	var live []string
	for _, v := range all {
		live = append(live, v.id)
	}
	return sweep("mongo", c.store, live, expired, m.sizes.quiet, func() error {
		m.server.settle()
		return nil
	})
}
