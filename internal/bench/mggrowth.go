package main

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func (m *mg) growthRows() []row {
	rows := []row{{"mongo, growth", m.growth}}
	for _, bytes := range []int{512, 8 << 10} {
		rows = append(rows, row{fmt.Sprintf("mongo, bytes on disk, %d B", bytes), func(int) ([]line, error) {
			return m.bytesOnDisk(bytes)
		}})
	}
	return rows
}

// growth compares loads of a collection with a hundred times the sessions.
func (m *mg) growth(cycles int) ([]line, error) {
	var ids [2][]string
	var grown [2]*collection
	for i, n := range []int{m.sizes.small, m.sizes.large} {
		c, err := m.collection(fmt.Sprintf("grown%d", i))
		if err != nil {
			return nil, err
		}
		defer c.close()
		all := c.visitors(n, true)
		if err := insertLive(c.docs, all, dataBytes); err != nil {
			return nil, err
		}
		for _, v := range all {
			ids[i] = append(ids[i], v.id)
		}
		grown[i] = c
	}
	m.server.settle()
	return growth("mongo", ids, cycles,
		func(k, i int) error { return load(ctx, grown[k].store, ids[k][i]) },
		func(k, i int) error { return find(ctx, grown[k].docs, ids[k][i]) })
}

// settle has the server write to its files what is only in its journal; not everybody may.
func (s *mongoServer) settle() {
	_ = s.database.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "fsync", Value: 1}}).Err()
}

// bytesOnDisk tells what the server keeps for a session.
func (m *mg) bytesOnDisk(bytes int) ([]line, error) {
	c, err := m.collection("stored")
	if err != nil {
		return nil, err
	}
	defer c.close()
	n := m.sizes.stored
	m.server.settle()
	before, _ := m.server.folder()
	if err := insertLive(c.docs, c.visitors(n, true), bytes); err != nil {
		return nil, err
	}
	m.server.settle()
	after, told := m.server.folder()
	var stats struct {
		Documents int `bson:"storageSize"`
		Indexes   int `bson:"totalIndexSize"`
		Total     int `bson:"totalSize"`
	}
	if err := c.docs.Database().RunCommand(ctx, bson.D{{Key: "collStats", Value: c.docs.Name()}}).Decode(&stats); err != nil {
		return nil, err
	}
	least := bytes + 43 + len(owner(0))
	said := fmt.Sprintf("%d sessions: %d B for documents, %d B for indexes", n, stats.Documents/n, stats.Indexes/n)
	if told {
		said += fmt.Sprintf("; the server's folder has %d B more, with its oplog, without its journal", (after-before)/n)
	}
	return []line{{
		what:  fmt.Sprintf("mongo, on disk per session of %d B, each with an owner of its own", bytes),
		ours:  fmt.Sprintf("%d B", stats.Total/n),
		limit: fmt.Sprintf("%d B", least),
		ratio: fmt.Sprintf("%.2f", float64(stats.Total)/float64(n*least)),
		noise: said,
	}}, nil
}
