package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
)

// Network is a proxy before each server, made when a client first connects to it: for a
// driver that finds its servers by itself.
type Network struct {
	protocol Protocol
	dials    atomic.Int64
	mu       sync.Mutex
	proxies  map[string]*Proxy // by the address behind it
}

// NewNetwork has no proxy yet. Each will have the protocol, which may be nil, and be closed
// when the test ends.
func NewNetwork(tb testing.TB, protocol Protocol) *Network {
	n := &Network{protocol: protocol, proxies: map[string]*Proxy{}}
	tb.Cleanup(func() {
		for _, p := range n.all() {
			if err := p.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return n
}

// Dials is how many connections were tried.
func (n *Network) Dials() int64 { return n.dials.Load() }

// DialContext connects to an address through its proxy.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.dials.Add(1)
	n.mu.Lock()
	p := n.proxies[addr]
	if p == nil {
		var err error
		if p, err = New(addr); err != nil {
			n.mu.Unlock()
			return nil, err
		}
		if n.protocol != nil {
			p.SetProtocol(n.protocol)
		}
		n.proxies[addr] = p
	}
	n.mu.Unlock()
	return p.DialContext(ctx, network, addr)
}

func (n *Network) all() (out []*Proxy) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.proxies {
		out = append(out, p)
	}
	return out
}

// Fail begins a fault before every server that was dialed; see [Proxy.Fail]. undo returns
// the sum.
func (n *Network) Fail(f Fault) (undo func() (struck int)) {
	undo, _ = n.each(func(p *Proxy) (func() int, error) { return p.Fail(f), nil })
	return undo
}

// Break makes the suite's faults before every server; see [Proxy.Break].
func (n *Network) Break(ctx context.Context, f conformance.Fault) (undo func() int, err error) {
	return n.each(func(p *Proxy) (func() int, error) { return p.Break(ctx, f) })
}

func (n *Network) each(begin func(p *Proxy) (undo func() int, err error)) (undo func() int, err error) {
	var undos []func() int
	undo = func() (struck int) {
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
	return undo, nil
}
