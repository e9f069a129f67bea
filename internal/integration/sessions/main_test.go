package sessions_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// The servers of all tests here.
var (
	sharedPostgres = &server.Shared{Spec: server.Postgres()}
	sharedRedis    = &server.Shared{Spec: server.Redis()}
)

func TestMain(m *testing.M) {
	goredis.SetLogger(quiet{}) // it tells of each connection that a fault has broken
	peer.Main(openPeer, map[string]peer.Func{"serve": serveInProcess})
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // they wait for servers, and for each other's requests
	defer sharedPostgres.End()
	defer sharedRedis.End()
	return m.Run()
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// full reports whether the long version of a test is wanted.
func full() bool { return os.Getenv("SOJOURN_TEST_FULL") == "1" }

// rounds is short, or long in the long version.
func rounds(short, long int) int {
	if full() {
		return long
	}
	return short
}

// patience is what a store has in tests that are not about time: a busy machine is no
// failure.
const patience = 30 * time.Second

// place is where sessions are kept, for one test: a table, a prefix, or memory.
type place struct {
	name  string
	url   string      // which a process opens; "" is memory
	store store.Store // a handle of this process

	// Of Postgres, for a store with another pool.
	pool    *pgxpool.Pool
	options *postgres.Options
}

// everywhere runs a test on memory, Postgres and Redis.
func everywhere(t *testing.T, f func(t *testing.T, p *place)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, inMemory())
	})
	servers(t, f)
}

func inMemory() *place { return &place{name: "memory", store: memory.New(nil)} }

// servers runs a test on Postgres and Redis, where processes can share a store.
func servers(t *testing.T, f func(t *testing.T, p *place)) {
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		f(t, onPostgres(t, nil))
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		f(t, onRedis(t, nil))
	})
}

// onPostgres is a table of a test's own. The handle of this process goes through the
// proxy, unless that is nil.
func onPostgres(t *testing.T, px *proxy.Proxy) *place {
	t.Helper()
	url := sharedPostgres.URL(t)
	opts := postgrestest.Options()
	opts.Timeout = patience
	direct := postgrestest.Pool(t, url, nil)
	migrated := open(t, func() (store.Store, error) {
		o := *opts
		o.Migrate = true
		return postgres.New(direct, &o)
	})
	t.Cleanup(func() {
		_, _ = direct.Exec(context.Background(), `DROP TABLE IF EXISTS "`+opts.Table+`"`)
	})
	p := &place{
		name: "Postgres", store: migrated, pool: direct, options: opts,
		url: fmt.Sprintf("%s&table=%s&sweep_every=-1s&migrate=false&timeout=%v", url, opts.Table, patience),
	}
	if px != nil {
		px.SetTarget(direct.Config().ConnConfig.Host + ":" + fmt.Sprint(direct.Config().ConnConfig.Port))
		px.SetProtocol(proxy.Postgres)
		p.pool = postgrestest.Pool(t, url, px.DialContext)
		p.store = open(t, func() (store.Store, error) { return postgres.New(p.pool, opts) })
	}
	return p
}

// onRedis is a prefix of a test's own, likewise.
func onRedis(t *testing.T, px *proxy.Proxy) *place {
	t.Helper()
	url := sharedRedis.URL(t)
	opts := redistest.Options()
	opts.Timeout = patience
	client := redistest.Client(t, url, nil).(*goredis.Client)
	t.Cleanup(func() {
		ctx := context.Background()
		for it := client.Scan(ctx, 0, opts.Prefix+"*", 500).Iterator(); it.Next(ctx); {
			_ = client.Unlink(ctx, it.Val()).Err()
		}
	})
	p := &place{name: "Redis", url: fmt.Sprintf("%s?prefix=%s&timeout=%v", url, opts.Prefix, patience)}
	if px != nil {
		px.SetTarget(client.Options().Addr)
		px.SetProtocol(proxy.Redis)
		client = redistest.Client(t, url, px.DialContext).(*goredis.Client)
	}
	p.store = open(t, func() (store.Store, error) { return redis.New(client, opts) })
	return p
}

func open(t *testing.T, f func() (store.Store, error)) store.Store {
	t.Helper()
	s, err := f()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(s) })
	return s
}

// openPeer opens a store in a process of its own.
func openPeer(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, postgres.Opener, redis.Opener)
}

// atOnce calls f n times at once with 0, 1, …, and returns when all have returned.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
