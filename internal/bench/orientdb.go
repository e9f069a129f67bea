package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// od measures the store of package orientdb against statements sent by hand.
type od struct {
	server *odServer
	sizes  odSizes
	warm   map[string]bool // what has been called so often that the server has compiled it
}

// odSizes are how much of everything there is. A test takes less.
type odSizes struct {
	held         int           // sessions of which a verb is compared
	warming      int           // calls of each side before it is measured
	small, large int           // of which one class is the other grown
	stored       int           // large sessions whose bytes are counted
	expired      int           // that are swept
	quiet        time.Duration // of a class that is then swept
}

// The server is a program of Java, which is compiled while it runs: by 20,000 calls a
// statement is about as quick as it gets.
var odFull = odSizes{
	held: 4096, warming: 20_000, small: 10_000, large: 300_000, stored: 30_000, expired: 300_000, quiet: 10 * time.Second,
}

func newOD(server *odServer, sizes odSizes) *od { return &od{server, sizes, map[string]bool{}} }

func (o *od) rows() []row {
	return append([]row{{"orientdb, the server", o.describe}}, verbRows("orientdb", o.verb)...)
}

// describe shows what the figures depend on.
func (o *od) describe(int) ([]line, error) {
	db, err := o.server.open()
	if err != nil {
		return nil, err
	}
	var is struct {
		Server struct{ Version, JavaVersion string }
	}
	if err := db.send(ctx, http.MethodGet, "/database/"+db.name, nil, &is); err != nil {
		return nil, err
	}
	var has struct {
		GlobalProperties []struct {
			Key   string
			Value json.RawMessage
		}
	}
	if err := db.send(ctx, http.MethodGet, "/server", nil, &has); err != nil {
		return nil, err
	}
	said := "OrientDB " + is.Server.Version + ", Java " + is.Server.JavaVersion
	for _, p := range has.GlobalProperties {
		if p.Key == "storage.diskCache.bufferSize" || p.Key == "storage.wal.commitTimeout" {
			said += ", " + p.Key + " " + string(p.Value)
		}
	}
	return []line{{what: "orientdb, the server", noise: said}}, nil
}

// odClass is one of a store, with its indexes, or one that a program has by hand.
type odClass struct {
	name  string
	db    *odClient
	store *orientdb.Store // nil by hand
	guests
}

// class makes one of a store, whose requests go by the client.
func (o *od) class(name string, client *http.Client) (*odClass, error) {
	db, err := o.server.open()
	if err != nil {
		return nil, err
	}
	c := &odClass{name: name, db: db}
	c.store, err = orientdb.New(&orientdb.Database{
		URL: db.url, Name: db.name, User: db.user, Password: db.password, Client: client,
	}, &orientdb.Options{
		Class: name, SweepEvery: -1,
		Timeout: time.Minute, // a server that compiles itself, with 16 at once, may stand still for seconds
	})
	if err != nil {
		return nil, err
	}
	return c, c.store.Migrate(ctx)
}

// simple makes a class of sessions for a program that finds them by their ids and does
// nothing else: nobody can list by owner, nothing finds what has expired, and no revision
// keeps one request from overwriting another's.
func (o *od) simple(name string) (*odClass, error) {
	db, err := o.server.open()
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		"CREATE CLASS " + name,
		"CREATE PROPERTY " + name + ".id STRING",
		"CREATE PROPERTY " + name + ".data BINARY",
		"CREATE PROPERTY " + name + ".exp LONG",
		"CREATE INDEX " + name + ".id ON " + name + " (id) UNIQUE_HASH_INDEX",
	} {
		if _, err := db.sql(ctx, sql, struct{}{}); err != nil {
			return nil, err
		}
	}
	return &odClass{name: name, db: db}, nil
}

// close removes the class.
func (c *odClass) close() {
	if c.store != nil {
		_ = c.store.Close()
	}
	_, _ = c.db.sql(ctx, "DROP CLASS "+c.name+" IF EXISTS UNSAFE", struct{}{})
}

// odRecord is laid out as package orientdb does it, or as in a simple class.
type odRecord struct {
	Class string `json:"@class"`
	ID    string `json:"id"`
	Data  []byte `json:"data"`
	Exp   int64  `json:"exp"`
	Owner string `json:"owner,omitempty"`
	Rev   int64  `json:"rev,omitempty"`
	Due   int64  `json:"due,omitempty"`
}

// kept is how package orientdb keeps an id. As it is, the server would change one like #12:00.
func kept(id string) string { return "s:" + id }

// insert makes their sessions as the store's Create would, so many at once that Create
// would take minutes.
func (c *odClass) insert(all []visitor, data func() []byte, deadline func() time.Time) error {
	type operation struct {
		Type   string   `json:"type"`
		Record odRecord `json:"record"`
	}
	return inTurn(all, func(some []visitor) error {
		var batch struct {
			Transaction bool        `json:"transaction"`
			Operations  []operation `json:"operations"`
		}
		batch.Transaction = true // is the quicker
		for i := range some {
			v := &some[i]
			r := odRecord{Class: c.name, ID: kept(v.id), Data: data(), Exp: deadline().UnixMilli()}
			if c.store != nil {
				if v.revision == 0 {
					v.revision = store.NewRevision()
				}
				if v.owner != "" {
					r.Owner = "o:" + v.owner
				}
				r.Rev, r.Due = int64(v.revision), r.Exp/60_000
			}
			batch.Operations = append(batch.Operations, operation{"c", r})
		}
		body, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		return c.db.send(ctx, http.MethodPost, "/batch/"+c.db.name, body, nil)
	})
}

// insertLive likewise makes live ones.
func (c *odClass) insertLive(all []visitor, bytes int) error {
	return c.insert(all, func() []byte { return noise(bytes) }, tomorrow)
}

// remove removes what insert or a create has made.
func (c *odClass) remove(all []visitor) error {
	return inTurn(all, func(some []visitor) error {
		var with struct {
			IDs []string `json:"ids"`
		}
		for i := range some {
			with.IDs = append(with.IDs, kept(some[i].id))
		}
		_, err := c.db.sql(ctx, "DELETE FROM "+c.name+" WHERE id IN :ids", with)
		return err
	})
}

// inTurn calls f for all of them in batches, one after the other: several at the same time
// have taken no less.
func inTurn(all []visitor, f func(some []visitor) error) error {
	for some := range slices.Chunk(all, atOnce) {
		if err := f(some); err != nil {
			return err
		}
	}
	return nil
}
