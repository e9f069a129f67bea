package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

func TestRefuse(t *testing.T) {
	both(t, func(t *testing.T, _ *server, p *proxy.Proxy) {
		c, idle := dial(t, p), dial(t, p)
		for range 3 {
			c.works("one")
			idle.works("two")
			undo := p.Fail(proxy.Fault{Kind: proxy.Refuse})
			c.ends(syscall.ECONNRESET)
			idle.ends(syscall.ECONNRESET)
			if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("dialled: %v, want ECONNREFUSED", err)
			}
			if _, err := p.DialContext(t.Context(), "tcp", "elsewhere:1"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatalf("dialled with its own dialer: %v, want ECONNREFUSED", err)
			}
			struck(t, undo, 3) // two connections, and a dialer that tells
			c, idle = dial(t, p), dial(t, p)
		}
		first, second := p.Fail(proxy.Fault{Kind: proxy.Refuse}), p.Fail(proxy.Fault{Kind: proxy.Refuse})
		first()
		if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("one of two undone: %v, want ECONNREFUSED", err)
		}
		second()
		again, err := p.DialContext(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		(&client{again.(*net.TCPConn), t}).works("three")
	})
}

func TestReset(t *testing.T) {
	both(t, func(t *testing.T, _ *server, p *proxy.Proxy) {
		c := dial(t, p)
		c.works("one")
		undo := p.Fail(proxy.Fault{Kind: proxy.Reset})
		c.ends(syscall.ECONNRESET)
		resetOnSight(t, p)
		resetOnSight(t, p)
		struck(t, undo, 3)
		dial(t, p).works("two")
	})
}

func TestDropRequests(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		c, idle := dial(t, p), dial(t, p)
		c.works("one")
		idle.works("other")
		undo, next := begin(t, p, proxy.Fault{Kind: proxy.DropRequests})
		c.send("lost\n")
		next()
		c.send(strings.Repeat("lost too\n", 1<<20)) // no buffer holds so much
		fresh := dial(t, p)
		fresh.send("lost\n")
		next()
		c.silent()
		fresh.silent()
		waits := dial(t, p)
		struck(t, undo, 2)
		c.ends(syscall.ECONNRESET)
		fresh.ends(syscall.ECONNRESET)
		idle.works("lives")
		waits.works("lives too")
		for _, want := range []string{"one", "other", "lives", "lives too"} {
			arrives(t, s, want)
		}
	})
}

// What was asked for before the hole is not answered through it.
func TestDropRequestsDropsReplies(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		c := dial(t, p)
		c.send("wait\n")
		arrives(t, s, "wait")
		undo, next := begin(t, p, proxy.Fault{Kind: proxy.DropRequests})
		s.told <- struct{}{}
		next()
		c.silent()
		struck(t, undo, 1)
		c.ends(syscall.ECONNRESET)
	})
}

func TestDropReplies(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		c, idle := dial(t, p), dial(t, p)
		c.works("one")
		idle.works("other")
		undo, next := begin(t, p, proxy.Fault{Kind: proxy.DropReplies})
		c.send("arrives\n")
		next()
		c.send("arrives too\n")
		for _, want := range []string{"one", "other", "arrives", "arrives too"} {
			arrives(t, s, want)
		}
		c.silent()
		struck(t, undo, 1)
		c.ends(syscall.ECONNRESET)
		idle.works("lives")
	})
}

// Nor does the end of the server's stream come through the hole.
func TestNoEndThroughTheHole(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		c := dial(t, p)
		undo, next := begin(t, p, proxy.Fault{Kind: proxy.DropReplies})
		c.send("one\n")
		next()
		c.send("quit\n")
		<-s.ended
		c.silent()
		struck(t, undo, 1)
		c.ends(syscall.ECONNRESET)
	})
}

func TestHalfClose(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		c := dial(t, p)
		c.works("one")
		undo := p.Fail(proxy.Fault{Kind: proxy.HalfClose})
		c.ends(io.EOF)
		c.send("still\n")
		arrives(t, s, "one")
		arrives(t, s, "still")
		fresh := dial(t, p)
		fresh.ends(io.EOF)
		fresh.send("heard\n")
		arrives(t, s, "heard")
		c.ends(io.EOF)
		struck(t, undo, 2)
		dial(t, p).works("two")
	})
}

func TestSlow(t *testing.T) {
	for side, bytes := range map[proxy.Side]int{proxy.Both: 3 + 6, proxy.Requests: 3, proxy.Replies: 6} {
		both(t, func(t *testing.T, _ *server, p *proxy.Proxy) {
			c := dial(t, p)
			undo := p.Fail(proxy.Fault{Kind: proxy.Slow, Side: side, Delay: 2 * time.Millisecond})
			start := time.Now()
			c.works("xy")
			if took := time.Since(start); took < time.Duration(bytes)*2*time.Millisecond {
				t.Errorf("%d bytes took %v, which is under 2 ms for each", bytes, took)
			}
			struck(t, undo, 1)
			undo, next := begin(t, p, proxy.Fault{Kind: proxy.Slow, Side: side, Delay: time.Hour})
			c.send("long\n")
			next()
			c.silent()
			struck(t, undo, 1)
			c.gets("ok long\n") // nothing is lost
			c.works("after")
		})
	}
}

func TestLatency(t *testing.T) {
	for _, side := range []proxy.Side{proxy.Both, proxy.Requests, proxy.Replies} {
		both(t, func(t *testing.T, _ *server, p *proxy.Proxy) {
			c := dial(t, p)
			undo := p.Fail(proxy.Fault{Kind: proxy.Latency, Side: side, Delay: 5 * time.Millisecond})
			start := time.Now()
			c.works("one")
			if took := time.Since(start); took < 5*time.Millisecond {
				t.Errorf("a round trip took %v, the latency is 5 ms", took)
			}
			struck(t, undo, 1)
			for _, d := range []time.Duration{0, time.Hour} {
				undo, next := begin(t, p, proxy.Fault{Kind: proxy.Latency, Side: side, Delay: d})
				c.send("held\n")
				next()
				c.silent()
				struck(t, undo, 1)
				c.gets("ok held\n")
			}
		})
	}
}

// What comes together is late together: a reply of many frames is not late for each.
func TestLatencyIsNoBandwidth(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	c.works("one")
	undo := p.Fail(proxy.Fault{Kind: proxy.Latency, Side: proxy.Requests, Delay: 100 * time.Millisecond})
	c.send(strings.Repeat("x\n", 1000))
	c.gets(strings.Repeat("ok x\n", 1000)) // within 10 s, not 100
	struck(t, undo, 1)
}

// end is how a connection ends that is broken with a FIN or without.
func end(fin bool) error {
	if fin {
		return io.EOF
	}
	return syscall.ECONNRESET
}

// The connection breaks at every byte of the replies.
func TestCutReplies(t *testing.T) {
	both(t, func(t *testing.T, _ *server, p *proxy.Proxy) {
		const all = "ok first\n+ pair\nok pair\n"
		for _, fin := range []bool{false, true} {
			for n := range len(all) {
				c := dial(t, p)
				undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: n, FIN: fin})
				c.send("first\npair\n")
				c.gets(all[:n])
				c.ends(end(fin))
				dial(t, p).works("it strikes once")
				struck(t, undo, 1)
			}
		}
		c := dial(t, p)
		undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: len(all)})
		c.send("first\npair\n")
		c.gets(all)
		struck(t, undo, 0)
		c.works("lives")
	})
}

// The connection breaks at every byte of the requests.
func TestCutRequests(t *testing.T) {
	both(t, func(t *testing.T, s *server, p *proxy.Proxy) {
		const all = "first\nw: 2\n"
		for _, fin := range []bool{false, true} {
			for n := range len(all) {
				c := dial(t, p)
				undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Requests, Bytes: n, FIN: fin})
				c.send(all)
				if got := <-s.ended; got != all[:n] {
					t.Fatalf("%q arrived, want %q", got, all[:n])
				}
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				if b, err := io.ReadAll(c); fin && err != nil || !fin && !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("got %q, %v, want %v", b, err, end(fin))
				}
				struck(t, undo, 1)
			}
		}
		c := dial(t, p)
		undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Requests, Bytes: len(all)})
		c.send(all)
		c.gets("ok first\nok w: 2\n")
		struck(t, undo, 0)
	})
}

// A cut counts over all connections.
func TestCutCountsConnections(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, nil)
	one, two := dial(t, p), dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Bytes: 20}) // of requests and replies
	one.works("abcd")                                       // 5 and 8
	two.send("efg\n")                                       // 4
	two.gets("ok ")
	two.ends(syscall.ECONNRESET)
	one.works("lives")
	struck(t, undo, 1)
}
