package proxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
)

// raw is a server that does with each connection what it is told.
func raw(t *testing.T, serve func(c *net.TCPConn)) *proxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = l.Close() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c.(*net.TCPConn)) })
		}
	})
	p, err := proxy.New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(); noneLeft(t) })
	return p
}

// Without a fault nothing shows that there is a proxy.
func TestTransparent(t *testing.T) {
	const size = 3 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	// What the client says until it half-closes comes back, and then the end.
	p := raw(t, func(c *net.TCPConn) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(c)
		_, _ = c.Write(b.Bytes())
	})
	c := dial(t, p)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v, want the %d that were sent", len(got), err, size)
	}
}

func TestEndsAreHandedOn(t *testing.T) {
	reset := func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }
	seen := make(chan error, 1)
	p := raw(t, func(c *net.TCPConn) {
		b := make([]byte, 3)
		if _, err := io.ReadFull(c, b); err != nil {
			seen <- err
			return
		}
		_, _ = c.Write([]byte("bye"))
		if string(b) == "rst" {
			reset(c)
		}
	})
	c := dial(t, p)
	c.send("fin")
	c.gets("bye")
	c.ends(io.EOF)
	c = dial(t, p)
	c.send("rst")
	c.gets("bye")
	c.ends(syscall.ECONNRESET)
	c = dial(t, p)
	c.send("ab")
	_ = c.CloseWrite()
	if err := <-seen; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the server of a client that half-closed sees %v", err)
	}
	c.ends(io.EOF)
	c = dial(t, p)
	reset(c.TCPConn)
	if err := <-seen; err == nil {
		t.Error("the server of a client that is gone sees nothing")
	}
}

// A server that takes no more may have said something before.
func TestLastWordsArrive(t *testing.T) {
	p := raw(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 3))
		_, _ = c.Write([]byte("bye"))
		_ = c.SetLinger(0)
		_ = c.Close()
	})
	for range 50 {
		c := dial(t, p)
		go func() { _, _ = c.Write(make([]byte, 1<<20)) }()
		c.gets("bye")
		_ = c.Close()
	}
}

func TestTarget(t *testing.T) {
	old, restarted := newServer(t), newServer(t)
	p := newProxy(t, old, lines)
	c := dial(t, p)
	c.works("one")
	p.SetTarget(restarted.addr())
	c.works("two")
	dial(t, p).works("three")
	arrives(t, old, "one")
	arrives(t, old, "two")
	arrives(t, restarted, "three")
	_ = restarted.listener.Close()
	resetOnSight(t, p) // nobody is there
}

func TestProtocolErrorIsToldByClose(t *testing.T) {
	p := raw(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write([]byte("ok\n? what\n"))
		_, _ = io.Copy(io.Discard, c)
	})
	p.SetProtocol(lines)
	c := dial(t, p)
	c.send("x\n")
	c.gets("ok\n")
	_, _ = io.ReadAll(c)
	for range 2 {
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), "a question mark") {
			t.Errorf("Close: %v", err)
		}
	}
}

// A stream that ends in the middle of a frame is handed on to there, and is no error of
// the protocol.
func TestTornRequest(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	c := dial(t, p)
	c.works("one")
	c.send("to")
	_ = c.CloseWrite()
	if got := <-s.ended; got != "one\nto" {
		t.Errorf("%q arrived", got)
	}
	c.ends(io.EOF)
}

func TestTornReply(t *testing.T) {
	torn := raw(t, func(c *net.TCPConn) { _, _ = c.Write([]byte("ok one\nok t")) })
	torn.SetProtocol(lines)
	c := dial(t, torn)
	c.gets("ok one\nok t")
	c.ends(io.EOF)
	if err := torn.Close(); err != nil {
		t.Error(err)
	}
}

// Close ends everything, whatever hangs.
func TestClose(t *testing.T) {
	for _, f := range []proxy.Fault{
		{},
		{Kind: proxy.Refuse},
		{Kind: proxy.Reset},
		{Kind: proxy.DropRequests},
		{Kind: proxy.DropReplies},
		{Kind: proxy.HalfClose},
		{Kind: proxy.Slow, Delay: time.Hour},
		{Kind: proxy.Latency},
		{Kind: proxy.Latency, Delay: time.Hour},
		{Kind: proxy.Cut, Bytes: 1},
		{Kind: proxy.LoseRequest, FIN: true},
		{Kind: proxy.LoseReply, FIN: true},
	} {
		t.Run(fmt.Sprint(f.Kind, f.Delay), func(t *testing.T) {
			s := newServer(t)
			p := newProxy(t, s, lines)
			c, silent := dial(t, p), dial(t, p)
			c.works("one")
			undo := p.Fail(f)
			_, _ = c.Write([]byte("wait w:\n"))
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			noneLeft(t)
			for _, c := range []*client{c, silent} {
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a connection is open: %v", err)
				}
			}
			if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dialled after Close: %v", err)
			}
			undo()
			struck(t, p.Fail(proxy.Fault{Kind: proxy.Refuse}), 0)
		})
	}
}

func TestBreak(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s, lines)
	broke := func(f conformance.Fault) func() int {
		t.Helper()
		undo, err := p.Break(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return undo
	}
	c := dial(t, p)
	c.works("one")
	undo := broke(conformance.Fault{Kind: conformance.Refuse})
	c.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
	for hit := 0; hit == 0; { // until the bytes are there before the fault is undone
		undo = broke(conformance.Fault{Kind: conformance.Hang})
		c = dial(t, p)
		c.send("w: 1\n")
		c.silent()
		hit = undo()
	}
	c.ends(syscall.ECONNRESET)
	for _, kind := range []conformance.FaultKind{conformance.LoseRequest, conformance.LoseReply} {
		between := 0
		undo = broke(conformance.Fault{Kind: kind, Between: func() { between++ }})
		c = dial(t, p)
		c.send("w: 2\n")
		c.ends(syscall.ECONNRESET)
		if struck(t, undo, 1); between != 1 {
			t.Errorf("%s: Between was called %d times", kind, between)
		}
	}
	if _, err := p.Break(t.Context(), conformance.Fault{Kind: conformance.Reject}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Reject: %v, want ErrUnsupported", err)
	}
	p.SetProtocol(nil)
	if _, err := p.Break(t.Context(), conformance.Fault{Kind: conformance.LoseReply}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("LoseReply without a protocol: %v, want ErrUnsupported", err)
	}
}

// Many clients and all faults at once: nothing hangs, nothing is left.
func TestStorm(t *testing.T) {
	s := newServer(t)
	go func() {
		for range s.lines { //nolint:revive // so that it does not fill up
		}
	}()
	p := newProxy(t, s, lines)
	stop := make(chan struct{})
	var clients, faults sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", p.Addr())
				if err != nil {
					continue
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Millisecond))
				for range 5 {
					if _, err := io.WriteString(c, "w: x\nr: y\n"); err != nil {
						break
					}
					if _, err := io.ReadFull(c, make([]byte, len("ok w: x\nok r: y\n"))); err != nil {
						break
					}
				}
				_ = c.Close()
			}
		})
	}
	for _, f := range []proxy.Fault{
		{Kind: proxy.Refuse},
		{Kind: proxy.Reset},
		{Kind: proxy.DropRequests},
		{Kind: proxy.DropReplies},
		{Kind: proxy.HalfClose},
		{Kind: proxy.Slow, Delay: time.Millisecond},
		{Kind: proxy.Latency},
		{Kind: proxy.Cut, Bytes: 100, FIN: true},
		{Kind: proxy.LoseRequest},
		{Kind: proxy.LoseReply, FIN: true},
		{Kind: proxy.Errors},
	} {
		faults.Go(func() {
			for range 20 {
				time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
				undo := p.Fail(f)
				time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
				undo()
			}
		})
	}
	faults.Wait()
	c := dial(t, p)
	c.works("r: all undone")
	close(stop)
	clients.Wait()
}
