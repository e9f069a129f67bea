package mongotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"
)

// NewName is the name of a collection that nobody has.
func NewName() string { return "test_" + strings.ToLower(rand.Text()) }

// Options say what subjects are of; nil is the default.
type Options struct {
	Store      mongo.Options                // SweepEvery is not used
	Collection string                       // "" is a new name
	Client     func(*options.ClientOptions) // changes what the URL says, if it is not nil
}

// Subject is a store in a collection of its own, which it makes and drops again, with all
// that the suite can do to it but kill the server (Crash). The URL is one that the driver
// takes, of a user who may make collections; it should name a database. The options are not
// kept, and a Collection in them is used as it is, so that each call wants another one.
//
// Nothing but the collection is touched, so that the server may be in use. That the server
// answers with errors is seen where it was started with enableTestCommands, and skipped
// elsewhere; so are the faults that need to look into the connection where that has TLS.
func Subject(tb testing.TB, url string, opts *Options) conformance.Subject {
	tb.Helper()
	if opts == nil {
		opts = &Options{}
	}
	sub := &subject{
		tb: tb, url: url, change: opts.Client, opts: opts.Store, database: Database(tb, url), name: opts.Collection,
		app: rand.Text(), direct: Client(tb, url, nil, opts.Client),
	}
	if sub.name == "" {
		sub.name = NewName()
	}
	sub.opts.SweepEvery = -1
	if sub.opts.MaxData == 0 {
		sub.opts.MaxData = 1 << 20
	}
	sub.network = proxy.NewNetwork(tb, proxy.Mongo)
	sub.client = sub.connect()
	tb.Cleanup(func() {
		if err := sub.docs().Drop(context.Background()); err != nil {
			tb.Errorf("the collection was not dropped: %v", err)
		}
	})
	s := sub.open(sub.direct)
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	_ = s.Close()
	if err := WithoutTTL(tb.Context(), sub.docs()); err != nil {
		tb.Fatal(err)
	}
	sub.store = sub.open(sub.client)
	peer := func(context.Context) (store.Store, error) { return mongo.New(sub.docs(), &sub.opts) }
	return conformance.Subject{
		Store: sub.store,
		Age:   sub.age,
		Peer:  peer,
		// The store never asks for the time of its own machine.
		Skewed:     func(ctx context.Context, _ time.Duration) (store.Store, error) { return peer(ctx) },
		Reopen:     sub.reopen,
		Break:      sub.fail,
		Corrupt:    sub.corrupt,
		Sweeping:   sub.sweeping,
		Raw:        sub.raw,
		Rows:       sub.rows,
		Client:     func(ctx context.Context) error { return sub.client.Ping(ctx, nil) },
		MaxData:    sub.opts.MaxData,
		Precision:  time.Millisecond,
		Durability: "power cut",
		Server:     Server(tb, sub.direct),
	}
}

// subject is what the hooks of a conformance.Subject work on.
type subject struct {
	tb             testing.TB
	url            string
	change         func(*options.ClientOptions)
	database, name string
	app            string // the name of the client, by which a fail point finds it
	opts           mongo.Options
	direct         *driver.Client // not through the network
	network        *proxy.Network
	client         *driver.Client // through the network
	store          *mongo.Store
}

// docs is the collection, not through the network.
func (sub *subject) docs() *driver.Collection {
	return sub.direct.Database(sub.database).Collection(sub.name)
}

// connect makes a client through the network.
func (sub *subject) connect() *driver.Client {
	sub.tb.Helper()
	return Client(sub.tb, sub.url, sub.network, sub.change, func(o *options.ClientOptions) { o.SetAppName(sub.app) })
}

func (sub *subject) open(client *driver.Client) *mongo.Store {
	sub.tb.Helper()
	s, err := mongo.New(client.Database(sub.database).Collection(sub.name), &sub.opts)
	if err != nil {
		sub.tb.Fatal(err)
	}
	sub.tb.Cleanup(func() { _ = s.Close() })
	return s
}

// Server is name and version of the server, as it says itself.
func Server(tb testing.TB, client *driver.Client) string {
	tb.Helper()
	var is struct{ Version, SecantusVersion string }
	if err := client.Database("admin").RunCommand(tb.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&is); err != nil {
		tb.Fatal(err)
	}
	if is.SecantusVersion != "" {
		return "SecantusDB " + is.SecantusVersion + " in place of MongoDB"
	}
	return "MongoDB " + is.Version
}

// WithoutTTL puts an index of the deadlines in the place of the one that mongo.Store.Migrate
// has made, by which the server removes nothing: what it removes would be missing in what
// the store has swept.
func WithoutTTL(ctx context.Context, c *driver.Collection) error {
	if err := c.Indexes().DropOne(ctx, "sojourn_deadline"); err != nil {
		return err
	}
	_, err := c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "deadline", Value: 1}}})
	return err
}

func (sub *subject) age(ctx context.Context, d time.Duration) error {
	earlier := bson.D{{Key: "$dateAdd", Value: bson.D{
		{Key: "startDate", Value: "$deadline"}, {Key: "unit", Value: "millisecond"}, {Key: "amount", Value: -d.Milliseconds()},
	}}}
	_, err := sub.docs().UpdateMany(ctx, bson.D{}, bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "deadline", Value: earlier}}}}})
	return err
}

func (sub *subject) reopen(ctx context.Context) (store.Store, error) {
	if err := sub.store.Close(); err != nil {
		return nil, err
	}
	if err := sub.client.Disconnect(ctx); err != nil {
		return nil, err
	}
	sub.client = sub.connect()
	return mongo.New(sub.client.Database(sub.database).Collection(sub.name), &sub.opts)
}

// commands are those that a store sends.
var commands = bson.A{"aggregate", "find", "getMore", "update", "delete", "hello", "createIndexes", "listCollections"}

func (sub *subject) fail(ctx context.Context, f conformance.Fault) (undo func() int, err error) {
	if f.Kind != conformance.Reject {
		return sub.network.Break(ctx, f)
	}
	counted := sub.network.Fail(proxy.Fault{Kind: proxy.Errors})
	off, err := FailPoint(ctx, sub.direct, "alwaysOn", bson.D{
		{Key: "appName", Value: sub.app}, {Key: "failCommands", Value: commands}, {Key: "errorCode", Value: 8}, // UnknownError
	})
	if err != nil {
		counted()
		return nil, err
	}
	return func() int {
		if err := off(); err != nil {
			sub.tb.Error(err)
		}
		return counted()
	}, nil
}

// FailPoint has the server fail as its failCommand does, until off is called. Where it was
// not started with enableTestCommands, that is an error which wraps [errors.ErrUnsupported].
//
// https://github.com/mongodb/mongo/wiki/The-%22failCommand%22-fail-point
func FailPoint(ctx context.Context, client *driver.Client, mode any, data bson.D) (off func() error, err error) {
	set := func(ctx context.Context, mode any, data bson.D) error {
		command := bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: mode}}
		if data != nil {
			command = append(command, bson.E{Key: "data", Value: data})
		}
		return client.Database("admin").RunCommand(ctx, command).Err()
	}
	if err := set(ctx, mode, data); err != nil {
		if s, ok := errors.AsType[driver.ServerError](err); ok && (s.HasErrorCode(59) || s.HasErrorCode(13)) {
			err = fmt.Errorf("the server was not started with enableTestCommands: %w", errors.ErrUnsupported)
		}
		return nil, err
	}
	return func() error { return set(context.Background(), "off", nil) }, nil
}

// corrupt stores what the package never writes.
func (sub *subject) corrupt(ctx context.Context, id string) error {
	_, err := sub.docs().UpdateByID(ctx, id, bson.D{{Key: "$set", Value: bson.D{{Key: "revision", Value: "?"}}}})
	return err
}

// sweeping has a client of its own, which reaches no server until the sweeper has failed
// once: that takes the store's call time. A fail point would be quicker, but there is one
// for the whole server.
func (sub *subject) sweeping(ctx context.Context, onError func(error)) (store.Store, error) {
	n := proxy.NewNetwork(sub.tb, proxy.Mongo)
	client := Client(sub.tb, sub.url, n, sub.change)
	if err := client.Ping(ctx, nil); err != nil {
		return nil, err
	}
	undo := n.Fail(proxy.Fault{Kind: proxy.Reset})
	failed := make(chan struct{})
	once := sync.OnceFunc(func() { undo(); close(failed) })
	opts := sub.opts
	opts.SweepEvery = 20 * time.Millisecond
	opts.OnError = func(err error) { once(); onError(err) }
	s, err := mongo.New(client.Database(sub.database).Collection(sub.name), &opts)
	if err != nil {
		return nil, err
	}
	// A check that does not look for the error wants a store that works.
	select {
	case <-failed:
	case <-ctx.Done():
	}
	return s, ctx.Err()
}

func (sub *subject) raw(ctx context.Context) ([]byte, error) {
	c, err := sub.docs().Find(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	var out bytes.Buffer
	for c.Next(ctx) {
		out.Write(c.Current)
	}
	return out.Bytes(), c.Err()
}

func (sub *subject) rows(ctx context.Context) (int, error) {
	n, err := sub.docs().CountDocuments(ctx, bson.D{})
	return int(n), err
}
