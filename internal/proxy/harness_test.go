package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// server answers each line with "ok" and the line, one that begins with "pair" with a
// line more before that, one that begins with "bad" with an error, one that begins with
// "wait" when it is told to, and one that begins with "quit" by leaving.
type server struct {
	listener net.Listener
	lines    chan string // that arrived
	ended    chan string // what arrived on a connection, when it has ended
	told     chan struct{}
}

func newServer(t *testing.T) *server {
	t.Helper()
	var s *server
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); close(s.told) })
	s = &server{listener: l, lines: make(chan string, 10_000), ended: make(chan string, 10_000), told: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *server) addr() string { return s.listener.Addr().String() }

func (s *server) serve(c net.Conn) {
	var all bytes.Buffer
	defer func() { _ = c.Close(); s.ended <- all.String() }()
	r := bufio.NewReader(io.TeeReader(c, &all))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		s.lines <- line
		answer := "ok " + line
		switch {
		case strings.HasPrefix(line, "pair"):
			answer = "+ " + line + answer
		case strings.HasPrefix(line, "bad"):
			answer = "error\n"
		case strings.HasPrefix(line, "quit"):
			return
		case strings.HasPrefix(line, "wait"):
			<-s.told
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// lines is what the server speaks: a line is a request, which writes if it holds a w.
func lines() proxy.Splitter { return splitter{} }

type splitter struct{}

func (splitter) Request(r *bufio.Reader) (proxy.Request, error) {
	b, err := r.ReadBytes('\n')
	return proxy.Request{Bytes: b, Write: bytes.Contains(b, []byte("w:")), Asks: true}, err
}

func (splitter) Reply(r *bufio.Reader) (proxy.Reply, error) {
	b, err := r.ReadBytes('\n')
	if bytes.HasPrefix(b, []byte("?")) {
		return proxy.Reply{Bytes: b}, errors.New("a question mark")
	}
	return proxy.Reply{Bytes: b, Ends: !bytes.HasPrefix(b, []byte("+")), Error: bytes.HasPrefix(b, []byte("error"))}, err
}

// newProxy returns a proxy that must leave no goroutine behind.
func newProxy(t *testing.T, s *server, protocol proxy.Protocol) *proxy.Proxy {
	t.Helper()
	p, err := proxy.New(s.addr())
	if err != nil {
		t.Fatal(err)
	}
	p.SetProtocol(protocol)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		noneLeft(t)
	})
	return p
}

// noneLeft fails if there is a goroutine of a proxy. One that is about to end may be
// seen for a moment.
func noneLeft(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for range 1000 {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(all, "proxy.(*Proxy)") && !strings.Contains(all, "proxy.(*link)") {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
}

// client is a connection through the proxy.
type client struct {
	*net.TCPConn
	t *testing.T
}

func dial(t *testing.T, p *proxy.Proxy) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{c.(*net.TCPConn), t}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

// gets fails unless exactly this comes.
func (c *client) gets(want string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		c.t.Fatalf("got %q, %v, want %q", b[:n], err, want)
	}
}

// works makes a round trip.
func (c *client) works(line string) {
	c.t.Helper()
	c.send(line + "\n")
	c.gets("ok " + line + "\n")
}

// ends fails unless the connection ends like this, with nothing before it.
func (c *client) ends(want error) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, want) {
		c.t.Fatalf("read %d bytes, %v, want none, and %v", n, err, want)
	}
}

// nothing returns an error unless nothing comes.
func (c *client) nothing() error {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("read %d bytes, %v, want none and a deadline that passes", n, err)
	}
	return nil
}

// silent fails unless nothing comes.
func (c *client) silent() {
	c.t.Helper()
	if err := c.nothing(); err != nil {
		c.t.Fatal(err)
	}
}

// resetOnSight fails unless a new connection is accepted and reset, which a dialer may
// see before it returns.
func resetOnSight(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("a new connection: %v, want ECONNRESET", err)
	}
}

// begin begins a fault. next waits until it has struck once more.
func begin(t *testing.T, p *proxy.Proxy, f proxy.Fault) (undo func() int, next func()) {
	t.Helper()
	hits := make(chan struct{}, 10_000)
	f.Struck = func() { hits <- struct{}{} }
	return p.Fail(f), func() {
		t.Helper()
		select {
		case <-hits:
		case <-time.After(10 * time.Second):
			t.Fatalf("the fault %q did not strike", f.Kind)
		}
	}
}

func struck(t *testing.T, undo func() int, want int) {
	t.Helper()
	if n := undo(); n != want {
		t.Fatalf("the fault struck %d times, want %d", n, want)
	}
	if n := undo(); n != want {
		t.Fatalf("undone again it struck %d times, want %d", n, want)
	}
}

func arrives(t *testing.T, s *server, want string) {
	t.Helper()
	select {
	case got := <-s.lines:
		if got != want+"\n" {
			t.Fatalf("%q arrived, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing arrived, want %q", want)
	}
}

// both runs a test blind and with a protocol.
func both(t *testing.T, f func(t *testing.T, s *server, p *proxy.Proxy)) {
	t.Helper()
	for name, protocol := range map[string]proxy.Protocol{"blind": nil, "lines": lines} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			f(t, s, newProxy(t, s, protocol))
		})
	}
}

// each runs a test for each case, with a proxy of its own that knows the protocol.
func each[T any](t *testing.T, cases []T, f func(t *testing.T, c T, s *server, p *proxy.Proxy)) {
	t.Helper()
	for _, c := range cases {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s := newServer(t)
			f(t, c, s, newProxy(t, s, lines))
		})
	}
}
