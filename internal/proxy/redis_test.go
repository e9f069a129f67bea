package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// command is one as drivers send it.
func command(args ...string) string {
	s := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		s += bulk(a)
	}
	return s
}

// commands are several, one word each.
func commands(names string) (s string) {
	for _, name := range strings.Fields(names) {
		s += command(name)
	}
	return s
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func TestRedisRequests(t *testing.T) {
	for name, c := range map[string]struct{ stream, want string }{
		"reads": {
			commands("GET GETRANGE EXISTS PTTL SCAN ZSCAN ZRANGE ZCARD PING HELLO CLIENT INFO SELECT AUTH CLUSTER COMMAND WAIT EVAL_RO EVALSHA_RO ASKING READONLY"),
			strings.TrimSpace(strings.Repeat("*? ", 21)),
		},
		"writes":        {commands("SET set EVAL EvalSha FCALL DEL UNLINK PEXPIRE PERSIST ZADD ZREM INCR HSET"), strings.TrimSpace(strings.Repeat("*w? ", 13))},
		"arguments":     {command("SET", "GET", "") + command("GET", "SET") + command("SET", "a", "\r\n*1\r\n$3\r\nGET\r\n"), "*w? *? *w?"},
		"large":         {command("SET", "a", strings.Repeat("\r\n", 100_000)) + command("GET", "a"), "*w? *?"},
		"none":          {"*0\r\n" + "*-1\r\n" + "\r\n" + " \t\n" + command("GET"), "* * \r   *?"},
		"no name":       {command("") + command("", "SET"), "* *"},
		"inline":        {"PING\r\nset a b\r\n  GET a\n" + `"SET" a "b c"` + "\r\nSET\ta\tb\r\n", `P? sw?  ? "w? Sw?`},
		"of a group":    {commands("MULTI SET GET EXEC GET MULTI GET EXEC SET"), "*? *? *? *w? *? *? *? *? *w?"},
		"given up":      {commands("MULTI SET DISCARD EXEC MULTI SET RESET EXEC SET"), "*? *? *? *? *? *? *? *? *w?"},
		"group anew":    {commands("MULTI SET EXEC MULTI GET EXEC EXEC"), "*? *? *w? *? *? *? *?"},
		"subscriptions": {commands("SUBSCRIBE unsubscribe PSUBSCRIBE SSUBSCRIBE GET PUBLISH"), "* * * * *? *?"},
		"cut in a name": {command("SET")[:9], "*"},
		"cut in a line": {command("SET", "a", "b")[:2], "*"},
		"cut at an end": {command("SET")[:12], "*"},
		"cut, inline":   {"SET a", "S"},
	} {
		for _, r := range readers(c.stream) {
			if got := strings.Join(asked(t, proxy.Redis(), r, c.stream), " "); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
	}
}

func TestRedisEncryption(t *testing.T) {
	secret := "\x16\x03\x01 no frames \xff\xff\xff\xff"
	s := proxy.Redis()
	for range 2 {
		if q, err := s.Request(whole(secret)); string(q.Bytes) != secret || q.Asks || q.Write || err != nil {
			t.Errorf("from the client: %q, %v", q.Bytes, err)
		}
		if a, err := s.Reply(whole(secret)); string(a.Bytes) != secret || a.Ends || a.Error || err != nil {
			t.Errorf("from the server: %q, %v", a.Bytes, err)
		}
	}
	s = proxy.Redis()
	_, _ = s.Request(whole(command("PING")))
	if q, err := s.Request(whole(secret)); err == nil {
		t.Errorf("TLS in the middle: %q, want an error", q.Bytes)
	}
}

// fakeRedis answers as a server does, and tells what it was told, and when a connection
// has ended.
func fakeRedis(t *testing.T, executed chan<- string) *proxy.Proxy {
	p := raw(t, func(c *net.TCPConn) {
		defer func() { executed <- "end" }()
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			n, _ := strconv.Atoi(lines.Text()[1:])
			var args []string
			for range 2 * n {
				lines.Scan()
				args = append(args, lines.Text())
			}
			executed <- args[1]
			answer := "+OK\r\n"
			switch args[1] {
			case "EVALSHA":
				answer = ">1\r\n+a push\r\n|1\r\n+an\r\n+attribute\r\n*2\r\n+written\r\n:1\r\n"
			case "SUBSCRIBE":
				answer = ">3\r\n+subscribe\r\n+a\r\n:1\r\n"
			case "GET":
				answer = bulk("value")
			case "FAIL":
				answer = "-ERR no\r\n"
			case "MOVE":
				answer = "-MOVED 1 127.0.0.1:1\r\n"
			case "HTTP":
				answer = "HTTP/1.1 400 Bad Request\r\n"
			}
			_, _ = io.WriteString(c, answer)
		}
	})
	p.SetProtocol(proxy.Redis)
	return p
}

func TestRedisFaults(t *testing.T) {
	executed := make(chan string, 100)
	p := fakeRedis(t, executed)
	statements := func() (got []string) {
		for s := range executed {
			if s == "end" {
				break
			}
			got = append(got, s)
		}
		return got
	}
	for _, c := range []struct{ before, write, after string }{
		{"", "EVALSHA", ""},
		{"GET SUBSCRIBE GET", "EVALSHA", "GET GET"},
		{"MULTI SET GET", "EXEC", "GET"},
	} {
		open := func() *client {
			conn := dial(t, p)
			conn.send(command("GET", "a"))
			conn.gets(bulk("value"))
			<-executed
			return conn
		}
		conn, between := open(), 0
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { between = len(executed) }})
		conn.send(commands(c.before + " " + c.write + " " + c.after))
		b, err := io.ReadAll(conn)
		if !errors.Is(err, syscall.ECONNRESET) || bytes.Contains(b, []byte("written")) {
			t.Errorf("%v: got %q, %v, want ECONNRESET in place of the reply", c, b, err)
		}
		struck(t, undo, 1)
		if want := len(strings.Fields(c.before)) + 1; between < want {
			t.Errorf("%v: %d were executed before Between, want %d", c, between, want)
		}
		if got := strings.Join(statements(), " "); !strings.HasPrefix(got, strings.TrimSpace(c.before+" "+c.write)) {
			t.Errorf("%v: %q was executed", c, got)
		}

		conn = open()
		undo = p.Fail(proxy.Fault{Kind: proxy.LoseRequest})
		conn.send(commands(c.before + " " + c.write + " " + c.after))
		_, _ = io.Copy(io.Discard, conn)
		struck(t, undo, 1)
		if got := strings.Join(statements(), " "); !strings.HasPrefix(c.before, got) || strings.Contains(got, c.write) {
			t.Errorf("%v: %q was executed, and should be lost", c, got)
		}
	}
}

func TestRedisErrorsAreCounted(t *testing.T) {
	p := fakeRedis(t, make(chan string, 100))
	undo := p.Fail(proxy.Fault{Kind: proxy.Errors})
	c := dial(t, p)
	c.send(commands("FAIL MOVE GET FAIL"))
	c.gets("-ERR no\r\n-MOVED 1 127.0.0.1:1\r\n" + bulk("value") + "-ERR no\r\n")
	struck(t, undo, 2)
}

// A server that speaks something else ends the connection, and Close says so.
func TestRedisOfAnotherServer(t *testing.T) {
	p := fakeRedis(t, make(chan string, 100))
	c := dial(t, p)
	c.send(commands("GET HTTP"))
	b, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) || string(b) != bulk("value") {
		t.Errorf("got %q, %v, want ECONNRESET after the value", b, err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "redis: ") {
		t.Errorf("Close: %v, want what is wrong", err)
	}
}
