package proxy_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// A network has a proxy before each server, and a fault strikes before each.
func TestNetwork(t *testing.T) {
	n := proxy.NewNetwork(t, lines)
	if struck := n.Fail(proxy.Fault{Kind: proxy.Reset})(); struck != 0 {
		t.Errorf("a fault before no server struck %d times", struck)
	}
	var conns []*client
	for range 2 {
		s := newServer(t)
		for range 2 {
			c, err := n.DialContext(context.Background(), "tcp", s.addr())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, &client{TCPConn: c.(*net.TCPConn), t: t})
		}
	}
	if n.Dials() != 4 {
		t.Errorf("%d dials, want 4", n.Dials())
	}
	for _, c := range conns {
		c.works("one")
	}
	undo := n.Fail(proxy.Fault{Kind: proxy.Errors})
	for _, c := range conns {
		c.send("bad\n")
		c.gets("error\n")
	}
	struck(t, undo, 4)
	undo = n.Fail(proxy.Fault{Kind: proxy.Reset})
	for _, c := range conns {
		c.ends(syscall.ECONNRESET)
	}
	struck(t, undo, 4)
}
