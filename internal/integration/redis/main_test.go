package redis_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// The servers of all tests here that do not start their own.
var (
	shared  = &server.Shared{Spec: server.Redis()}
	valkey  = &server.Shared{Spec: server.Valkey()}
	cluster = &server.Shared{Spec: server.RedisCluster(0)}
)

// kinds are those of servers that a client knows.
var kinds = map[string]*server.Shared{"one server": shared, "a cluster": cluster}

// funcs are what tests run in processes of their own.
var funcs = map[string]peer.Func{"count": together.Counting(openPeer)}

func TestMain(m *testing.M) {
	goredis.SetLogger(quiet{}) // it tells of each connection that was refused, as the faults have it
	peer.Main(openPeer, funcs)
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // those that are parallel have servers of their own, and wait for them
	for _, s := range []*server.Shared{shared, valkey, cluster} {
		defer s.End()
	}
	return m.Run()
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var (
	full   = verbs.Full
	create = verbs.Create
	want   = verbs.Want
)

// space is a prefix of a test's own.
type space struct {
	url    string
	opts   redis.Options
	client goredis.UniversalClient // straight to the server
}

// newSpace is a prefix without keys, on one server or a cluster. Its keys are removed
// after the test.
func newSpace(tb testing.TB, url string) *space {
	tb.Helper()
	x := &space{url: url, opts: *redistest.Options(), client: redistest.Client(tb, url, nil)}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = x.keys(ctx, "*", func(node *goredis.Client, key string) { _ = node.Unlink(ctx, key).Err() })
	})
	return x
}

// open opens a store on the prefix, with the options as they are now.
func (x *space) open(tb testing.TB, client goredis.UniversalClient) *redis.Store {
	tb.Helper()
	s, err := redis.New(client, &x.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// behind has a client that reaches the server through a proxy. It is for a single one.
func (x *space) behind(tb testing.TB) (*proxy.Proxy, *goredis.Client) {
	tb.Helper()
	p, err := proxy.New(x.client.(*goredis.Client).Options().Addr)
	if err != nil {
		tb.Fatal(err)
	}
	p.SetProtocol(proxy.Redis)
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p, redistest.Client(tb, x.url, p.DialContext).(*goredis.Client)
}

// storeURL opens a store on the prefix, in whichever process.
func (x *space) storeURL() string {
	sep := "?"
	if strings.Contains(x.url, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%sprefix=%s&timeout=%s", x.url, sep, x.opts.Prefix, verbs.Patience)
}

// openPeer opens a store in a process of its own.
func openPeer(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, redis.Opener)
}

// keys calls f with the keys of the prefix that go on with the pattern, and the client of
// the server that has them.
func (x *space) keys(ctx context.Context, pattern string, f func(node *goredis.Client, key string)) error {
	return x.everywhere(ctx, func(node *goredis.Client) error {
		it := node.Scan(ctx, 0, x.opts.Prefix+pattern, 500).Iterator()
		for it.Next(ctx) {
			f(node, it.Val())
		}
		return it.Err()
	})
}

// everywhere calls f with the client of each server that has keys, one after the other.
func (x *space) everywhere(ctx context.Context, f func(node *goredis.Client) error) error {
	switch c := x.client.(type) {
	case *goredis.Client:
		return f(c)
	case *goredis.ClusterClient:
		nodes, err := masters(ctx, c)
		for _, node := range nodes {
			err = errors.Join(err, f(node))
		}
		return err
	default:
		return fmt.Errorf("a client of type %T", c)
	}
}

// masters are the clients of all servers that have keys.
func masters(ctx context.Context, c *goredis.ClusterClient) (nodes []*goredis.Client, err error) {
	var mu sync.Mutex
	err = c.ForEachMaster(ctx, func(_ context.Context, node *goredis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		nodes = append(nodes, node)
		return nil
	})
	return nodes, err
}

// key is the one key of the prefix that ends so, like "}s:a" for the session a.
func (x *space) key(tb testing.TB, end string) string {
	tb.Helper()
	found := map[string]bool{}
	err := x.keys(tb.Context(), "{*"+end, func(_ *goredis.Client, key string) { found[key] = true })
	if err != nil || len(found) != 1 {
		tb.Fatalf("%d keys end with %s, %v", len(found), end, err)
	}
	for key := range found {
		return key
	}
	return ""
}

// do sends a command of a test's own.
func (x *space) do(tb testing.TB, args ...any) any {
	tb.Helper()
	out, err := x.client.Do(tb.Context(), args...).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		tb.Fatalf("%v: %v", args[0], err)
	}
	return out
}
