package orientdbtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// NewName is the name of a class that nobody has.
func NewName() string { return "test_" + strings.ToLower(rand.Text()) }

// Options say what subjects are of; nil is the default.
type Options struct {
	Store      orientdb.Options // SweepEvery is not used, nor CreateDatabase; a Class in them is used as it is
	Durability string           // "" is that of a server as it comes: see package orientdb
}

// Subject is a store in a class of its own, which it makes and drops again, with all that
// the suite can do to it but kill the server (Crash). The URL is one that orientdb.Opener
// takes, of a user who may make classes, without parameters. The options are not kept; with
// a Class in them each call wants another one.
//
// Nothing but the class is touched, so that the server may be in use. The faults that need
// to look into the connection are skipped where it has TLS.
func Subject(tb testing.TB, url string, opts *Options) conformance.Subject {
	tb.Helper()
	if opts == nil {
		opts = &Options{}
	}
	sub := &subject{tb: tb, opts: opts.Store, direct: Database(tb, url)}
	if sub.opts.Class == "" {
		sub.opts.Class = NewName()
	}
	sub.opts.SweepEvery, sub.opts.CreateDatabase = -1, false
	if sub.opts.MaxData == 0 {
		sub.opts.MaxData = 1 << 20
	}
	sub.direct.Client = Client(tb, nil)
	sub.network = proxy.NewNetwork(tb, proxy.OrientDB)
	sub.behind = sub.direct
	sub.behind.Client = Client(tb, sub.network)
	tb.Cleanup(func() {
		if err := Drop(context.Background(), sub.direct, sub.opts.Class); err != nil {
			tb.Errorf("the class was not dropped: %v", err)
		}
	})
	s := sub.open(sub.direct)
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	_ = s.Close()
	sub.store = sub.open(sub.behind)
	if err := sub.store.Ping(tb.Context()); err != nil { // a fault begins where there is a connection
		tb.Fatal(err)
	}
	peer := func(context.Context) (store.Store, error) { return orientdb.New(&sub.direct, &sub.opts) }
	durability := opts.Durability
	if durability == "" {
		durability = "all but the last second"
	}
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
		Client:     sub.ask,
		MaxData:    sub.opts.MaxData,
		Precision:  time.Millisecond,
		Durability: durability,
		Server:     Server(tb, sub.direct),
	}
}

// subject is what the hooks of a conformance.Subject work on.
type subject struct {
	tb      testing.TB
	opts    orientdb.Options
	direct  orientdb.Database // not through the network
	network *proxy.Network
	behind  orientdb.Database // through the network
	store   *orientdb.Store
}

func (sub *subject) open(db orientdb.Database) *orientdb.Store {
	sub.tb.Helper()
	s, err := orientdb.New(&db, &sub.opts)
	if err != nil {
		sub.tb.Fatal(err)
	}
	sub.tb.Cleanup(func() { _ = s.Close() })
	return s
}

// Drop drops a class with all that is in it. The server would remove that one by one, and
// have every insert into the database wait, if it were not emptied first.
func Drop(ctx context.Context, db orientdb.Database, class string) error {
	for _, sql := range []string{"CREATE CLASS `" + class + "` IF NOT EXISTS", "TRUNCATE CLASS `" + class + "` UNSAFE", "DROP CLASS `" + class + "` UNSAFE"} {
		if _, err := SQL(ctx, db, sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// Server is name and version of the server, as it says itself.
func Server(tb testing.TB, db orientdb.Database) string {
	tb.Helper()
	version, err := request(tb.Context(), db, http.MethodGet, "/server/version", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return "OrientDB " + strings.TrimSpace(string(version))
}

// sql sends a statement about the class, {class}, not through the network.
func (sub *subject) sql(ctx context.Context, sql string, params map[string]any) ([]map[string]any, error) {
	return SQL(ctx, sub.direct, strings.ReplaceAll(sql, "{class}", "`"+sub.opts.Class+"`"), params)
}

func (sub *subject) age(ctx context.Context, d time.Duration) error {
	// What was buried has a past as well.
	for _, sql := range []string{
		"UPDATE {class} SET exp=exp-:ms WHERE exp>=0", "UPDATE {class} SET exp=exp+:ms WHERE exp<0", "UPDATE {class} SET due=exp/60000",
	} {
		if _, err := sub.sql(ctx, sql, map[string]any{"ms": d.Milliseconds()}); err != nil {
			return err
		}
	}
	return nil
}

func (sub *subject) reopen(context.Context) (store.Store, error) {
	if err := sub.store.Close(); err != nil {
		return nil, err
	}
	sub.behind.Client.CloseIdleConnections()
	return orientdb.New(&sub.behind, &sub.opts)
}

// fail has the class go by another name where the server is to answer with errors.
func (sub *subject) fail(ctx context.Context, f conformance.Fault) (undo func() int, err error) {
	if f.Kind != conformance.Reject {
		return sub.network.Break(ctx, f)
	}
	rename := func(ctx context.Context, from, to string) error {
		_, err := SQL(ctx, sub.direct, "ALTER CLASS `"+from+"` NAME `"+to+"` UNSAFE", nil)
		return err
	}
	other := NewName()
	if err := rename(ctx, sub.opts.Class, other); err != nil {
		return nil, err
	}
	counted := sub.network.Fail(proxy.Fault{Kind: proxy.Errors})
	return func() int {
		if err := rename(context.Background(), other, sub.opts.Class); err != nil {
			sub.tb.Error(err)
		}
		return counted()
	}, nil
}

// corrupt stores what the package never writes.
func (sub *subject) corrupt(ctx context.Context, id string) error {
	found, err := sub.sql(ctx, "UPDATE {class} SET rev=null WHERE id=:id", map[string]any{"id": "s:" + id})
	if err == nil && (len(found) != 1 || found[0]["count"] != json.Number("1")) {
		err = fmt.Errorf("there is no such session: %v", found)
	}
	return err
}

// sweeping has a client of its own, which nobody lets in until the sweeper has failed once.
func (sub *subject) sweeping(ctx context.Context, onError func(error)) (store.Store, error) {
	db, door := sub.direct, &door{through: sub.direct.Client.Transport}
	db.Client = &http.Client{Transport: door}
	failed := make(chan struct{})
	once := sync.OnceFunc(func() { door.open.Store(true); close(failed) })
	opts := sub.opts
	opts.SweepEvery = 20 * time.Millisecond
	opts.OnError = func(err error) { once(); onError(err) }
	s, err := orientdb.New(&db, &opts)
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

// door answers as a server that forbids, until it is open.
type door struct {
	open    atomic.Bool
	through http.RoundTripper
}

func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.open.Load() {
		return d.through.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: r}, nil
}

func (sub *subject) raw(ctx context.Context) ([]byte, error) {
	found, err := sub.sql(ctx, "SELECT FROM {class}", nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(found)
}

// rows does not count what was buried: that is no session any more, and is deleted after
// a minute.
func (sub *subject) rows(ctx context.Context) (int, error) {
	found, err := sub.sql(ctx, "SELECT count(*) AS n FROM {class} WHERE due>=0 OR due IS NULL", nil)
	if err != nil {
		return 0, err
	}
	n, err := found[0]["n"].(json.Number).Int64()
	return int(n), err
}

// ask sends anything by the client that the store was given.
func (sub *subject) ask(ctx context.Context) error {
	_, err := SQL(ctx, sub.behind, "SELECT 1", nil)
	return err
}
