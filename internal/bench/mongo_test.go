package main

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// testMongo are rows of the server to test with, on little, and a look at the collections
// that are left of it.
func testMongo(t *testing.T) (m *mg, left func() []string) {
	t.Helper()
	url := os.Getenv("SOJOURN_TEST_MONGO_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_MONGO_URL is not set: it names a server to test with, like mongodb://localhost:27017/?directConnection=true")
	}
	m = &mg{server: newMongo(os.Getenv), sizes: mgSizes{
		held: 512, small: 100, large: 1000, stored: 500, expired: 1200, quiet: 50 * time.Millisecond,
	}}
	t.Cleanup(func() {
		if err := m.server.close(); err != nil {
			t.Error(err)
		}
	})
	c, err := driver.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return m, func() []string {
		t.Helper()
		names, err := c.Database(m.server.token).ListCollectionNames(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
}

// Every row of MongoDB works, on little.
func TestMongoRows(t *testing.T) {
	m, left := testMongo(t)
	for _, row := range slices.Concat(m.rows(), m.growthRows(), m.sweepRows()) {
		checkRow(t, "mongo", row)
		if names := left(); len(names) != 0 {
			t.Fatalf("%s leaves %q", row.name, names)
		}
	}
}

// An interrupt in the middle of a row.
func TestInterruptRemovesTheCollections(t *testing.T) {
	m, left := testMongo(t)
	for _, name := range []string{"create", "touch"} {
		m.server = newMongo(os.Getenv)
		measured := make(chan error, 1)
		go func() {
			_, err := m.verb(name, true, 16, 100)
			measured <- err
		}()
		for !slices.Contains(left(), "raw") {
			select {
			case err := <-measured:
				t.Fatalf("%s: ended by itself: %v", name, err)
			default:
			}
		}
		if err := m.server.close(); err != nil {
			t.Errorf("%s: closed: %v", name, err)
		}
		if names := left(); len(names) != 0 {
			t.Errorf("%s: %q are left", name, names)
		}
		if err := <-measured; err == nil {
			t.Errorf("%s: what was interrupted says nothing", name)
		}
		if names := left(); len(names) != 0 {
			t.Errorf("%s: %q came afterwards", name, names)
		}
	}
}

// What is inserted is what the store reads, and what dropAll leaves is the others'.
func TestInsertedSessionsAreTheStores(t *testing.T) {
	m, _ := testMongo(t)
	c, err := m.collection("sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	all := append(c.visitors(atOnce+1, true), c.visitors(1, false)...)
	if err := insertLive(c.docs, all, dataBytes); err != nil {
		t.Fatal(err)
	}
	for _, v := range []visitor{all[0], all[atOnce], all[atOnce+1]} {
		e, err := c.store.Load(t.Context(), v.id)
		if err != nil || e.Owner != v.owner || e.Revision != v.revision || len(e.Data) != dataBytes || e.TTL < lifetime-time.Hour {
			t.Errorf("loaded %+v, %v", e, err)
		}
	}
	if err := dropAll(c.docs, all[:atOnce]); err != nil {
		t.Fatal(err)
	}
	if n, err := c.store.Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d are left, %v, want 2", n, err)
	}
}
