package redis_test

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis/redistest"
)

// through has a client that reaches the servers through proxies, one or a cluster.
func (x *space) through(t testing.TB) (*proxy.Network, goredis.UniversalClient) {
	t.Helper()
	n := proxy.NewNetwork(t, proxy.Redis)
	return n, redistest.Client(t, x.url, n.DialContext)
}
