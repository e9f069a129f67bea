package mongo_test

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// shared is the server of all tests here that do not say otherwise: a replica set.
var shared = &server.Shared{Spec: server.Mongo()}

func TestMain(m *testing.M) {
	peer.Main(openPeer, map[string]peer.Func{"count": countInProcess, "migrate": migrateInProcess})
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // most of it is to wait for servers, and for what is to end
	defer shared.End()
	return m.Run()
}

var (
	full   = verbs.Full
	create = verbs.Create
	want   = verbs.Want
)

// collection is a collection of a test's own.
type collection struct {
	*driver.Collection
	url  string
	opts mongo.Options
}

// newCollection has one made, and dropped after the test.
func newCollection(tb testing.TB, url string) *collection {
	tb.Helper()
	x := unmade(tb, url)
	if err := x.open(tb, nil).Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return x
}

// unmade is a collection that is not there yet.
func unmade(tb testing.TB, url string) *collection {
	tb.Helper()
	client := mongotest.Client(tb, url, nil)
	x := &collection{
		Collection: client.Database(mongotest.Database(tb, url)).Collection(mongotest.NewName()),
		url:        url, opts: mongo.Options{SweepEvery: -1},
	}
	tb.Cleanup(func() { _ = x.Drop(context.Background()) })
	return x
}

// open opens a store on the collection, with the options as they are now, by the client; a
// nil one is its own.
func (x *collection) open(tb testing.TB, client *driver.Client) *mongo.Store {
	tb.Helper()
	c := x.Collection
	if client != nil {
		c = client.Database(c.Database().Name()).Collection(c.Name())
	}
	s, err := mongo.New(c, &x.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// behind has a client that reaches the server through a proxy.
func (x *collection) behind(tb testing.TB, change ...func(*options.ClientOptions)) (*proxy.Network, *driver.Client) {
	tb.Helper()
	n := proxy.NewNetwork(tb, proxy.Mongo)
	return n, mongotest.Client(tb, x.url, n, change...)
}

// noRepeats has the driver repeat nothing: what repeats is the store.
func noRepeats(o *options.ClientOptions) { o.SetRetryWrites(false).SetRetryReads(false) }

// set changes what is stored under an id.
func (x *collection) set(tb testing.TB, id string, fields bson.D) {
	tb.Helper()
	r, err := x.UpdateByID(tb.Context(), id, bson.D{{Key: "$set", Value: fields}})
	if err != nil || r.MatchedCount != 1 {
		tb.Fatalf("%d documents, %v", r.MatchedCount, err)
	}
}

// storeURL opens a store on the collection, without a sweeper.
func storeURL(url, collection string) string {
	return with(url, "collection="+collection) + "&sweep_every=-1s&migrate=false&timeout=" + verbs.Patience.String()
}

// with is the URL with one more parameter.
func with(url, param string) string {
	if strings.Contains(url, "?") {
		return url + "&" + param
	}
	return url + "?" + param
}

// openPeer opens a store in a process of its own.
func openPeer(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, mongo.Opener)
}
