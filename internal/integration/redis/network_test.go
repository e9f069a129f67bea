package redis_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis/redistest"
)

// network is what lies between a client and its servers: a proxy before each.
type network struct {
	mu      sync.Mutex
	proxies map[string]*proxy.Proxy // by the address behind it
	dials   atomic.Int64
}

// through has a client that reaches the servers through proxies, one or a cluster.
func (x *space) through(t testing.TB) (*network, goredis.UniversalClient) {
	t.Helper()
	n := &network{proxies: map[string]*proxy.Proxy{}}
	t.Cleanup(func() {
		for _, p := range n.all() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return n, redistest.Client(t, x.url, n.dial)
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.dials.Add(1)
	n.mu.Lock()
	p := n.proxies[addr]
	if p == nil {
		var err error
		if p, err = proxy.New(addr); err != nil {
			n.mu.Unlock()
			return nil, err
		}
		p.SetProtocol(proxy.Redis)
		n.proxies[addr] = p
	}
	n.mu.Unlock()
	return p.DialContext(ctx, network, addr)
}

func (n *network) all() (out []*proxy.Proxy) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.proxies {
		out = append(out, p)
	}
	return out
}

// fail makes a fault before every server that was dialed.
func (n *network) fail(f proxy.Fault) (undo func() (struck int)) {
	var undos []func() int
	for _, p := range n.all() {
		undos = append(undos, p.Fail(f))
	}
	return func() (struck int) {
		for _, undo := range undos {
			struck += undo()
		}
		return struck
	}
}
