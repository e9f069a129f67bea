package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// answered is what a splitter makes of a server's stream: the first letter of each
// frame, a dot if it ends, ! if it is an error.
func answered(s proxy.Splitter, r *bufio.Reader) (got []string, all string, err error) {
	for {
		a, err := s.Reply(r)
		all += string(a.Bytes)
		if err != nil {
			return got, all, err
		}
		word := string(a.Bytes[:1])
		if a.Ends {
			word += "."
		}
		if a.Error {
			word += "!"
		}
		got = append(got, word)
	}
}

// What servers say, and what it is to the proxy.
var redisReplies = []struct{ stream, want string }{
	{"+OK\r\n:-1\r\n+\r\n", "+. :. +."},
	{"$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n_\r\n", "$. $. *. *. _."},
	{bulk("\r\n+OK\r\n") + bulk(strings.Repeat("\r\n", 100_000)) + "#t\r\n,1.5\r\n(123456789\r\n=7\r\ntxt:abc\r\n", "$. $. #. ,. (. =."},
	{"*3\r\n*2\r\n*-1\r\n*0\r\n$-1\r\n*1\r\n*1\r\n*-1\r\n+OK\r\n", "*. +."},
	{strings.Repeat("*1\r\n", 100_000) + ":1\r\n+OK\r\n", "*. +."},
	{"%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n%0\r\n~2\r\n:1\r\n:2\r\n+OK\r\n", "%. ~. +."},
	{">2\r\n+invalidate\r\n*1\r\n+a\r\n+OK\r\n>1\r\n*0\r\n", "> +. >"},
	{"|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+ttl\r\n%1\r\n+a\r\n:1\r\n:1\r\n:2\r\n+OK\r\n", "|. +."},
	{"|1\r\n+a\r\n:1\r\n|0\r\n$1\r\na\r\n+OK\r\n", "|. +."},
	{"|1\r\n+a\r\n-ERR in it\r\n>1\r\n+push\r\n|1\r\n+a\r\n*1\r\n+b\r\n-ERR no\r\n+OK\r\n", "| |.! +."},
	{"-ERR no\r\n-\r\n!7\r\nERR\r\nno\r\n!0\r\n\r\n+OK\r\n", "-.! -.! !.! !.! +."},
	{"*2\r\n-ERR in it\r\n!6\r\nERR no\r\n+-ERR\r\n$4\r\n-ERR\r\n", "*. +. $."},
	{"-NOSCRIPT No matching script.\r\n-MOVED 1 a:1\r\n-ASK 1 a:1\r\n!13\r\nMOVED 1 a:1 \r\r\n", "-. -. -. !."},
	{"-ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.\r\n-ERR unknown command 'ABC'\r\n-ASKED\r\n-LOADING no\r\n", "-. -.! -.! -.!"},
}

func TestRedisReplies(t *testing.T) {
	for _, c := range redisReplies {
		for _, r := range readers(c.stream) {
			got, all, err := answered(proxy.Redis(), r)
			if strings.Join(got, " ") != c.want || all != c.stream || err != io.EOF {
				t.Errorf("%.200q: got %q of %d bytes, %v, want %q of %d", c.stream, got, len(all), err, c.want, len(c.stream))
			}
		}
	}
}

// A stream may end anywhere. What was there is handed on, and nothing of it is complete
// that is not.
func TestRedisCut(t *testing.T) {
	for _, c := range redisReplies {
		for n := range min(len(c.stream), 300) {
			cut := c.stream[:n]
			got, all, err := answered(proxy.Redis(), whole(cut))
			if all != cut || !errors.Is(err, io.EOF) || !strings.HasPrefix(c.want, strings.Join(got, " ")) {
				t.Errorf("%.200q, cut at %d: got %q and %q, %v", c.stream, n, got, all, err)
			}
		}
	}
}

// What is not RESP is an error.
func TestRedisNonsense(t *testing.T) {
	last := func(f func() error) (err error) {
		for err == nil {
			err = f()
		}
		return err
	}
	var got []error
	for _, stream := range []string{
		session(), "\x01", "\x80", "SET a \x00\r\n", "*x\r\n", "*\r\n", "*-2\r\n", "*1073741825\r\n", "*99999999999999999999\r\n", "*1\n$3\r\nGET\r\n",
		"*1\r\n:1\r\n", "*1\r\nGET\r\n", "*1\r\n$x\r\n", "*1\r\n$-2\r\n", "*1\r\n$1073741825\r\n", "*1\r\n$3\r\nGETS\r\n", "*1\r\n$3\r\nGET\n\r",
		strings.Repeat("a", 200_000),
	} {
		s, r := proxy.Redis(), whole(stream)
		got = append(got, fmt.Errorf("%.50q: %w", stream, last(func() error { _, err := s.Request(r); return err })))
	}
	for _, stream := range []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n", "\r\n", "\x00", "\xff", "+OK\n", "$x\r\n", "$\r\n", "$-2\r\n", "$1073741825\r\n", "$?\r\n", "*?\r\n", "%1.5\r\n",
		"$2\r\nOKOK\r\n", "*1\r\nOK\r\n", "*2\r\n:1\r\n\r\n", ".\r\n", "|1\r\n+a\r\n?", "+" + strings.Repeat("a", 2<<20),
	} {
		s, r := proxy.Redis(), whole(stream)
		got = append(got, fmt.Errorf("%.50q: %w", stream, last(func() error { _, err := s.Reply(r); return err })))
	}
	for _, err := range got {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "redis: ") {
			t.Errorf("%v, want an error of the protocol", err)
		}
	}
}

// Memory is taken for what comes, not for what is announced, and not again for each
// piece of it.
func TestRedisMemory(t *testing.T) {
	const size = 4 << 20
	for name, c := range map[string]struct {
		stream string
		most   uint64
	}{
		"announced":     {"*1000000000\r\n$1000000000\r\n", 1 << 20},
		"a long string": {"$" + strconv.Itoa(size) + "\r\n" + strings.Repeat("x", size) + "\r\n", 10 * size},
		"many values":   {"*" + strconv.Itoa(size/4) + "\r\n" + strings.Repeat(":1\r\n", size/4), 10 * size},
	} {
		s, r := proxy.Redis(), bufio.NewReaderSize(strings.NewReader(c.stream), 4096)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, _ := s.Reply(r)
		runtime.ReadMemStats(&after)
		if len(a.Bytes) != len(c.stream) {
			t.Errorf("%s: %d bytes came, want %d", name, len(a.Bytes), len(c.stream))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > c.most {
			t.Errorf("%s: it took %d bytes, want at most %d", name, took, c.most)
		}
	}
}

// However a stream arrives, it is cut at the same places, and nothing of it is lost.
func FuzzRedis(f *testing.F) {
	for _, c := range redisReplies {
		f.Add(c.stream[:min(len(c.stream), 100)])
	}
	f.Add(commands("MULTI SET EXEC SUBSCRIBE") + "*0\r\nset a b\r\n" + command("GET", "a"))
	type piece struct {
		bytes                   string
		write, asks, ends, fail bool
		err                     string
	}
	f.Fuzz(func(t *testing.T, stream string) {
		var first []piece
		for i, r := range append(readers(stream), readers(stream)...) {
			s := proxy.Redis()
			var pieces []piece
			for rest := stream; ; {
				var p piece
				var err error
				if i < 2 {
					var q proxy.Request
					q, err = s.Request(r)
					p = piece{bytes: string(q.Bytes), write: q.Write, asks: q.Asks}
				} else {
					var a proxy.Reply
					a, err = s.Reply(r)
					p = piece{bytes: string(a.Bytes), ends: a.Ends, fail: a.Error}
				}
				if !strings.HasPrefix(rest, p.bytes) || p.bytes == "" && err == nil {
					t.Fatalf("%q, %v, of %q", p.bytes, err, rest)
				}
				rest = rest[len(p.bytes):]
				if err != nil {
					p.err = err.Error()
				}
				if !strings.HasPrefix(stream, "\x16") { // blind, it is cut as it comes
					pieces = append(pieces, p)
				}
				if err != nil {
					if errors.Is(err, io.EOF) && rest != "" {
						t.Fatalf("%q was lost", rest)
					}
					break
				}
			}
			if i%2 == 0 {
				first = pieces
			} else if fmt.Sprint(first) != fmt.Sprint(pieces) {
				t.Fatalf("cut as\n%+v\nand as\n%+v", first, pieces)
			}
		}
	})
}
