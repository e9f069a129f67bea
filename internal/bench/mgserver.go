package main

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// mongoServer is the MongoDB that is measured. All that is done there happens in a
// database of its own.
type mongoServer struct {
	*server
	database *driver.Database
}

func newMongo(getenv func(string) string) *mongoServer {
	s := &mongoServer{}
	s.server = newServer(getenv, kind{
		name:   "MongoDB",
		urlVar: "SOJOURN_TEST_MONGO_URL", like: "mongodb://user:password@localhost:27017/?directConnection=true",
		imageVar: "SOJOURN_TEST_MONGO_IMAGE", image: "mongo:8",
		container: container{
			port: "27017",
			// A replica set with passwords wants a file with a key.
			open: true,
			command: func(image, _ string) []string {
				return []string{image, "mongod", "--replSet", "rs0", "--bind_ip_all", "--setParameter", "enableTestCommands=1"}
			},
			url: url.URL{Scheme: "mongodb", Path: "/sojourn", RawQuery: "directConnection=true"},
		},
		answers: mongoAnswers, readies: mongoReadies, begin: s.begin, end: s.end,
	})
	return s
}

// open returns the database, whose writes have answered when a majority has them on disk.
// An error is one of missing.
func (s *mongoServer) open() (*driver.Database, error) {
	err := s.start()
	return s.database, err
}

func (s *mongoServer) begin(_ context.Context, url string) error {
	client, err := driver.Connect(options.Client().ApplyURI(url).SetMaxPoolSize(connections))
	if err != nil {
		return err
	}
	journal, majority := true, writeconcern.Majority()
	majority.Journal = &journal
	s.database = client.Database(s.token, options.Database().SetWriteConcern(majority))
	return nil
}

// withMongo calls f with a client that is disconnected afterwards, and does not wait long
// for a server that is not there.
func withMongo(ctx context.Context, url string, most time.Duration, f func(ctx context.Context, c *driver.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c, err := driver.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(2 * time.Second))
	if err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(ctx) }()
	return f(ctx, c)
}

func mongoAnswers(ctx context.Context, url string) error {
	return withMongo(ctx, url, 5*time.Second, writable)
}

func writable(ctx context.Context, c *driver.Client) error {
	var is hello
	err := is.ask(ctx, c.Database("admin"))
	if err == nil && !is.Writable {
		err = errors.New("it is not the primary")
	}
	return err
}

// hello is how a server introduces itself.
type hello struct {
	Writable bool   `bson:"isWritablePrimary"`
	Set      string `bson:"setName"`
}

func (h *hello) ask(ctx context.Context, d *driver.Database) error {
	return d.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(h)
}

// mongoReadies makes a replica set of a server that is to be in one, and in none yet.
func mongoReadies(ctx context.Context, url string) error {
	return withMongo(ctx, url, 30*time.Second, func(ctx context.Context, c *driver.Client) error {
		const notYetInitialized = 94
		admin := c.Database("admin")
		err := admin.RunCommand(ctx, bson.D{{Key: "replSetGetStatus", Value: 1}}).Err()
		if e, ok := errors.AsType[driver.ServerError](err); ok && e.HasErrorCode(notYetInitialized) {
			// The member's name is one inside the container.
			err = admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
				{Key: "_id", Value: "rs0"},
				{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "localhost:27017"}}}},
			}}}).Err()
		}
		if err != nil {
			return err
		}
		return writable(ctx, c)
	})
}

func (s *mongoServer) end(ctx context.Context, url string) error {
	few, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = s.database.Client().Disconnect(few) // from now on nothing more is sent
	return withMongo(ctx, url, time.Minute, func(ctx context.Context, c *driver.Client) error {
		return c.Database(s.token).Drop(ctx)
	})
}

// folder returns how many bytes the server's folder takes, its journal left out; false
// where the server is not in a container of ours.
func (s *mongoServer) folder() (int, bool) {
	if s.docker.id == "" {
		return 0, false
	}
	out, err := s.docker.run(s.ctx, "exec", s.docker.id, "du", "-sk", "--exclude=journal", "--exclude=WiredTigerLog*", "/data/db")
	kib, _, _ := strings.Cut(out, "\t")
	n, bad := strconv.Atoi(kib)
	return n << 10, err == nil && bad == nil
}
