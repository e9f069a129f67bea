package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

func TestLoseRequest(t *testing.T) {
	each(t, []bool{false, true}, func(t *testing.T, fin bool, s *server, p *proxy.Proxy) {
		c := dial(t, p)
		c.works("r: 1")
		early := make(chan error, 10)
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseRequest, FIN: fin, Between: func() { early <- c.nothing() }})
		c.works("r: 2") // is no write
		c.send("w: lost\n")
		if err := <-early; err != nil {
			t.Errorf("before the end of Between: %v", err)
		}
		c.ends(end(fin))
		dial(t, p).works("w: 3")
		struck(t, undo, 1)
		for _, want := range []string{"r: 1", "r: 2", "w: 3"} {
			arrives(t, s, want)
		}
		if len(early) > 0 {
			t.Error("Between was called again")
		}
	})
}

func TestLoseReply(t *testing.T) {
	each(t, []bool{false, true}, func(t *testing.T, fin bool, s *server, p *proxy.Proxy) {
		for _, line := range []string{"w: applied", "pair w: applied", "bad w: refused"} {
			c := dial(t, p)
			c.works("r: 1")
			arrives(t, s, "r: 1")
			early := make(chan error, 10)
			undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, FIN: fin, Between: func() {
				if len(s.lines) != 1 {
					early <- errors.New("the request has not arrived")
				}
				early <- c.nothing()
			}})
			c.send(line + "\n")
			if err := <-early; err != nil {
				t.Errorf("%s: before the end of Between: %v", line, err)
			}
			c.ends(end(fin))
			arrives(t, s, line)
			dial(t, p).works("w: 3")
			arrives(t, s, "w: 3")
			struck(t, undo, 1)
			if len(early) > 0 {
				t.Errorf("%s: Between was called again", line)
			}
		}
	})
}

// The reply is the write's own, also where others are under way before it.
func TestLoseReplyInAPipeline(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply})
	c.send("r: 1\npair\nwait w: 2\nr: 3\n")
	c.gets("ok r: 1\n+ pair\nok pair\n")
	c.silent() // the server has not answered the write
	if len(s.lines) != 3 {
		t.Errorf("%d requests arrived", len(s.lines))
	}
	s.told <- struct{}{}
	c.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
}

// The write goes on when its sender gives up, and counts as lost when it is done.
func TestLoseReplyOfASenderWhoIsGone(t *testing.T) {
	each(t, []string{"close", "reset"}, func(t *testing.T, how string, s *server, p *proxy.Proxy) {
		c := dial(t, p)
		undo, next := begin(t, p, proxy.Fault{Kind: proxy.LoseReply})
		c.send("wait w: 1\n")
		arrives(t, s, "wait w: 1")
		if how == "reset" {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
		dial(t, p).works("w: 2") // the fault has its write
		s.told <- struct{}{}
		next()
		struck(t, undo, 1)
	})
}

// A fault that has taken a write, whose connection then ends by something else, takes
// the next.
func TestLoseReplyTakesAnother(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply})
	c.send("wait w: 1\n")
	arrives(t, s, "wait w: 1")
	reset := p.Fail(proxy.Fault{Kind: proxy.Reset})
	c.ends(syscall.ECONNRESET)
	struck(t, reset, 1)
	again := dial(t, p)
	again.send("w: 2\n")
	again.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
}

// Undone before the reply has ended, it has not struck, and nobody waits for ever.
func TestLoseReplyUndone(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { t.Error("Between was called") }})
	c.send("wait w: 1\n")
	arrives(t, s, "wait w: 1")
	struck(t, undo, 0)
	c.ends(syscall.ECONNRESET)
	dial(t, p).works("w: 2")
}

// Undo and Close wait for Between.
func TestUndoWaitsForBetween(t *testing.T) {
	each(t, []proxy.Kind{proxy.LoseRequest, proxy.LoseReply}, func(t *testing.T, kind proxy.Kind, _ *server, p *proxy.Proxy) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		over := false
		undo := p.Fail(proxy.Fault{Kind: kind, Between: func() { close(begun); <-goOn; over = true }})
		dial(t, p).send("w: 1\n")
		<-begun
		time.AfterFunc(time.Millisecond, func() { close(goOn) })
		struck(t, undo, 1)
		if !over {
			t.Errorf("%s: undo returned while Between ran", kind)
		}
	})
	each(t, []proxy.Kind{proxy.LoseRequest, proxy.LoseReply}, func(t *testing.T, kind proxy.Kind, _ *server, p *proxy.Proxy) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		over := false
		p.Fail(proxy.Fault{Kind: kind, Between: func() { close(begun); <-goOn; over = true }})
		dial(t, p).send("w: 1\n")
		<-begun
		time.AfterFunc(time.Millisecond, func() { close(goOn) })
		if err := p.Close(); err != nil || !over {
			t.Errorf("%s: Close returned while Between ran, %v", kind, err)
		}
	})
}

func TestErrorsAreCounted(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.Errors})
	c.works("one")
	for range 3 {
		c.send("bad\n")
		c.gets("error\n")
	}
	struck(t, undo, 3)
	c.works("two")
}

func TestFaultsThatNeedAProtocol(t *testing.T) {
	p := newProxy(t, newServer(t), nil)
	for _, kind := range []proxy.Kind{proxy.LoseRequest, proxy.LoseReply, proxy.Errors} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic without a protocol", kind)
				}
			}()
			p.Fail(proxy.Fault{Kind: kind})
		}()
	}
}

// So does one whose write the server has not answered when it closed the connection.
func TestLoseReplyOfAServerThatLeaves(t *testing.T) {
	p := raw(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "leave w:\n" {
				return
			}
			_, _ = io.WriteString(c, "ok "+line)
		}
	})
	p.SetProtocol(lines)
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply})
	c, again := dial(t, p), dial(t, p)
	c.send("leave w:\n")
	c.ends(io.EOF)
	again.send("w: 2\n")
	again.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
}
