package server

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Mongo is a MongoDB that is a replica set of one member, with the fail points that tests
// set, and a TTL monitor that does not wait for a minute.
func Mongo() Spec {
	spec := MongoStandalone()
	spec.Name = "MongoDB"
	spec.Cmd = append(spec.Cmd, "--replSet", "rs0")
	// The member's name in the set is one inside the container.
	spec.URL = func(addr string) string { return mongoURL(addr) + "?directConnection=true" }
	spec.Ready = readyReplicaSet
	return spec
}

// MongoStandalone is one that is no replica set, and so knows no repeat of a write.
func MongoStandalone() Spec {
	return Spec{
		Name: "MongoDB, standalone", URLVar: "SOJOURN_TEST_MONGO_URL",
		ImageVar: "SOJOURN_TEST_MONGO_IMAGE", Image: "mongo:8",
		Port:  "27017/tcp",
		Cmd:   []string{"mongod", "--bind_ip_all", "--setParameter", "enableTestCommands=1", "--setParameter", "ttlMonitorSleepSecs=1"},
		URL:   mongoURL,
		Ready: readyMongo,
	}
}

func mongoURL(addr string) string { return "mongodb://" + addr + "/sojourn" }

// readyMongo is nil once the server takes writes.
func readyMongo(ctx context.Context, url string) error {
	c, err := mongo.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(time.Second))
	if err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(context.Background()) }()
	return writable(ctx, c)
}

func writable(ctx context.Context, c *mongo.Client) error {
	var is struct {
		Writable bool `bson:"isWritablePrimary"`
	}
	err := c.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&is)
	if err == nil && !is.Writable {
		err = errors.New("it is not the primary")
	}
	return err
}

// readyReplicaSet likewise, and makes the set of a server that is in none yet.
func readyReplicaSet(ctx context.Context, url string) error {
	c, err := mongo.Connect(options.Client().ApplyURI(url).SetServerSelectionTimeout(time.Second))
	if err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(context.Background()) }()
	admin := c.Database("admin")
	err = admin.RunCommand(ctx, bson.D{{Key: "replSetGetStatus", Value: 1}}).Err()
	const notYetInitialized = 94
	if e, ok := errors.AsType[mongo.ServerError](err); ok && e.HasErrorCode(notYetInitialized) {
		err = admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
			{Key: "_id", Value: "rs0"},
			{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "localhost:27017"}}}},
		}}}).Err()
		if err != nil {
			return err
		}
	}
	return writable(ctx, c)
}
