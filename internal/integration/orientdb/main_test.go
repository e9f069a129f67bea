package orientdb_test

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// shared is the server of all tests here that do not kill it.
var shared = &server.Shared{Spec: server.OrientDB(server.OrientDBWAL10)}

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

const hour = time.Hour

// class is a class of a test's own.
type class struct {
	db   orientdb.Database
	url  string
	opts orientdb.Options
}

// newClass has one made, and dropped after the test.
func newClass(tb testing.TB, url string) *class {
	tb.Helper()
	x := unmade(tb, url)
	if err := x.open(tb, nil).Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return x
}

// unmade is a class that is not there yet.
func unmade(tb testing.TB, url string) *class {
	tb.Helper()
	x := &class{
		db: orientdbtest.Database(tb, url), url: url,
		opts: orientdb.Options{Class: orientdbtest.NewName(), SweepEvery: -1, Timeout: verbs.Patience},
	}
	x.db.Client = orientdbtest.Client(tb, nil)
	tb.Cleanup(func() { _ = orientdbtest.Drop(context.Background(), x.db, x.opts.Class) })
	return x
}

// open opens a store on the class, with the options as they are now, by the client; a nil
// one is its own.
func (x *class) open(tb testing.TB, client *http.Client) *orientdb.Store {
	tb.Helper()
	db := x.db
	db.Client = client
	s, err := orientdb.New(&db, &x.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// behind has a client that reaches the server through a proxy.
func (x *class) behind(tb testing.TB) (*proxy.Network, *http.Client) {
	tb.Helper()
	n := proxy.NewNetwork(tb, proxy.OrientDB)
	return n, orientdbtest.Client(tb, n)
}

// sql sends a statement about the class, {class}, and returns the lines of the answer.
func (x *class) sql(tb testing.TB, sql string, params map[string]any) []map[string]any {
	tb.Helper()
	found, err := orientdbtest.SQL(tb.Context(), x.db, strings.ReplaceAll(sql, "{class}", "`"+x.opts.Class+"`"), params)
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// storeURL opens a store on the class, without a sweeper.
func storeURL(url, class string) string {
	return with(url, "class="+class) + "&sweep_every=-1s&migrate=false&timeout=" + verbs.Patience.String()
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
	return store.Open(ctx, url, orientdb.Opener)
}
