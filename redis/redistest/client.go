package redistest

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// Dial connects to an address, see redis.Options.Dialer of go-redis.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// Client connects to the server, the Sentinels or the cluster that the URL names, see
// package redis's Opener; through dial, unless that is nil, as to a proxy before it. The
// test closes it.
func Client(tb testing.TB, rawURL string, dial Dial) goredis.UniversalClient {
	tb.Helper()
	return connect(tb, rawURL, dial, "", "")
}

// connect is Client as another user than the URL's, unless that is "".
func connect(tb testing.TB, rawURL string, dial Dial, user, password string) goredis.UniversalClient {
	tb.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	kind := ""
	u.Scheme, kind, _ = strings.Cut(u.Scheme, "+")
	const connections = 12
	var c goredis.UniversalClient
	switch kind {
	case "cluster":
		o, err := goredis.ParseClusterURL(u.String())
		if err != nil {
			tb.Fatal(err)
		}
		o.ContextTimeoutEnabled, o.PoolSize, o.PipelinePoolSize, o.Dialer, o.DialerRetries = true, connections, -1, dial, 1
		if user != "" {
			o.Username, o.Password = user, password
		}
		c = goredis.NewClusterClient(o)
	case "sentinel":
		o, err := goredis.ParseFailoverURL(u.String())
		if err != nil {
			tb.Fatal(err)
		}
		o.ContextTimeoutEnabled, o.PoolSize, o.PipelinePoolSize, o.Dialer, o.DialerRetries = true, connections, -1, dial, 1
		if user != "" {
			o.Username, o.Password = user, password
		}
		c = goredis.NewFailoverClient(o)
	default:
		o, err := goredis.ParseURL(u.String())
		if err != nil {
			tb.Fatal(err)
		}
		o.ContextTimeoutEnabled, o.PoolSize, o.PipelinePoolSize, o.DialerRetries = true, connections, -1, 1
		if dial != nil {
			o.Dialer = dial
		}
		if user != "" {
			o.Username, o.Password = user, password
		}
		c = goredis.NewClient(o)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// masters calls f with the client of each server that has keys.
func masters(ctx context.Context, c goredis.UniversalClient, f func(ctx context.Context, node *goredis.Client) error) error {
	if cluster, ok := c.(*goredis.ClusterClient); ok {
		var one sync.Mutex // ForEachMaster calls at once
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
			one.Lock()
			defer one.Unlock()
			return f(ctx, node)
		})
	}
	return f(ctx, c.(*goredis.Client))
}
