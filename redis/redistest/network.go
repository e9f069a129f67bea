package redistest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
)

// network is a proxy before each server, made when a client first connects to it.
type network struct {
	tb      testing.TB
	mu      sync.Mutex
	proxies map[string]*proxy.Proxy // by the address behind it
}

func newNetwork(tb testing.TB) *network {
	n := &network{tb: tb, proxies: map[string]*proxy.Proxy{}}
	tb.Cleanup(func() {
		for _, p := range n.all() {
			if err := p.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return n
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
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

// fail makes a fault before every server.
func (n *network) fail(begin func(p *proxy.Proxy) (undo func() int, err error)) (func() int, error) {
	var undos []func() int
	undo := func() (struck int) {
		for _, u := range undos {
			struck += u()
		}
		return struck
	}
	for _, p := range n.all() {
		u, err := begin(p)
		if err != nil {
			undo()
			return nil, err
		}
		undos = append(undos, u)
	}
	if len(undos) == 0 {
		return nil, errors.New("no client has connected yet")
	}
	return undo, nil
}

// Break makes the suite's faults, but conformance.Reject.
func (n *network) Break(ctx context.Context, f conformance.Fault) (func() int, error) {
	return n.fail(func(p *proxy.Proxy) (func() int, error) { return p.Break(ctx, f) })
}

// errors counts the errors that servers answer with.
func (n *network) errors() (func() int, error) {
	return n.fail(func(p *proxy.Proxy) (func() int, error) { return p.Fail(proxy.Fault{Kind: proxy.Errors}), nil })
}
