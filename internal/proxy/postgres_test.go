package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// pg is a message: a letter, or none, and a body.
func pg(letter string, body string) string {
	return letter + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
}

// begins is a packet of a client that has no session yet.
func begins(code uint32, body string) string {
	return pg("", string(binary.BigEndian.AppendUint32(nil, code))+body)
}

const (
	version3 = 196608
	version2 = 196610 // 3.2
	cancel   = 80877102
	ssl      = 80877103
	gss      = 80877104
)

// Messages of a client that has a session.
func parse(name, sql string) string { return pg("P", name+"\x00"+sql+"\x00\x00\x00") }

func bind(portal, name string) string {
	return pg("B", portal+"\x00"+name+"\x00\x00\x00\x00\x00\x00\x00")
}
func describe(portal string) string    { return pg("D", "P"+portal+"\x00") }
func execute(portal string) string     { return pg("E", portal+"\x00\x00\x00\x00\x00") }
func query(sql string) string          { return pg("Q", sql+"\x00") }
func syncs() string                    { return pg("S", "") }
func session() string                  { return begins(version3, "user\x00postgres\x00\x00") }
func readers(s string) []*bufio.Reader { return []*bufio.Reader{whole(s), torn(s)} }
func whole(s string) *bufio.Reader     { return bufio.NewReader(strings.NewReader(s)) }
func torn(s string) *bufio.Reader {
	return bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(s)), 16)
}

// asked is what a splitter makes of a client's stream: the first letter of each frame,
// w if it writes, ? if it asks.
func asked(t *testing.T, s proxy.Splitter, r *bufio.Reader, want string) (got []string) {
	t.Helper()
	var all bytes.Buffer
	for {
		q, err := s.Request(r)
		all.Write(q.Bytes)
		if len(q.Bytes) > 0 {
			word := string(q.Bytes[:1])
			if q.Write {
				word += "w"
			}
			if q.Asks {
				word += "?"
			}
			got = append(got, word)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Error(err)
			}
			break
		}
	}
	if all.String() != want {
		t.Errorf("the frames together are not the stream:\n%q\n%q", all.String(), want)
	}
	return got
}

func TestPostgresRequests(t *testing.T) {
	for name, c := range map[string]struct{ stream, want string }{
		"simple": {
			session() + pg("p", "SCRAM") + query("SELECT 1") + query("INSERT INTO t VALUES (1)") + query("") + pg("X", ""),
			"\x00? p Q? Qw? Q? X",
		},
		"words": {
			session() + query(" \n\tupdate\nt SET a = 1") + query("DELETE FROM t") + query("WITH x AS (SELECT 1) SELECT 1") +
				query("(SELECT 1)") + query("INSERTED") + query("BEGIN") + query("SELECT 'UPDATE'"),
			"\x00? Qw? Qw? Qw? Q? Q? Q? Q?",
		},
		"extended": {
			session() + parse("", "UPDATE t SET a = $1") + bind("", "") + describe("") + execute("") + syncs(),
			"\x00? P B D Ew S?",
		},
		"prepared": {
			session() + parse("w", "INSERT INTO t VALUES ($1)") + parse("r", "SELECT 1") + syncs() +
				bind("", "w") + execute("") + syncs() + bind("", "r") + execute("") + syncs() + bind("", "w") + execute("") + syncs(),
			"\x00? P P S? B Ew S? B E S? B Ew S?",
		},
		"portals": {
			session() + parse("w", "DELETE FROM t") + parse("r", "SELECT 1") +
				bind("one", "w") + bind("two", "r") + execute("two") + execute("one") + syncs(),
			"\x00? P P B B E Ew S?",
		},
		"prepared again": {
			session() + parse("", "DELETE FROM t") + bind("", "") + execute("") + parse("", "SELECT 1") + bind("", "") + execute("") + syncs(),
			"\x00? P B Ew P B E S?",
		},
		"no statement of that name": {session() + bind("", "gone") + execute("") + syncs(), "\x00? B E S?"},
		"function, copy and flush":  {session() + pg("F", "....") + pg("d", "data") + pg("c", "") + pg("H", ""), "\x00? F? d c H"},
		"ssl, then not":             {begins(ssl, "") + session() + query("SELECT 1"), "\x00 \x00? Q?"},
		"gss, ssl, then neither":    {begins(gss, "") + begins(ssl, "") + session() + query("SELECT 1"), "\x00 \x00 \x00? Q?"},
		"version 3.2":               {begins(version2, "user\x00postgres\x00\x00") + syncs(), "\x00? S?"},
		"cancel":                    {begins(cancel, "\x00\x00\x00\x01\x00\x00\x00\x02"), "\x00"},
		"cancel, after ssl":         {begins(ssl, "") + begins(cancel, strings.Repeat("k", 260)), "\x00 \x00"},
		"cut in a body":             {session() + query("UPDATE t")[:9], "\x00? Q"},
		"cut in a length":           {session() + query("UPDATE t")[:3], "\x00? Q"},
		"cut in the first":          {session()[:6], "\x00"},
		"no name's end":             {session() + pg("P", "w") + pg("B", "w") + pg("E", ""), "\x00? P B E"},
	} {
		for _, r := range readers(c.stream) {
			if got := strings.Join(asked(t, proxy.Postgres(), r, c.stream), " "); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
	}
}

func TestPostgresReplies(t *testing.T) {
	stream := pg("R", "\x00\x00\x00\x00") + pg("S", "a\x00b\x00") + pg("K", "12345678") + pg("Z", "I") +
		pg("T", strings.Repeat("t", 100_000)) + pg("D", "") + pg("C", "SELECT 1\x00") + pg("N", "notice") + pg("Z", "T") +
		pg("E", "SERROR\x00") + pg("Z", "E")
	for _, r := range readers(stream) {
		s := proxy.Postgres()
		var got []string
		var all bytes.Buffer
		for {
			a, err := s.Reply(r)
			if err != nil {
				break
			}
			all.Write(a.Bytes)
			word := string(a.Bytes[:1])
			if a.Ends {
				word += "."
			}
			if a.Error {
				word += "!"
			}
			got = append(got, word)
		}
		if want := "R S K Z. T D C N Z. E! Z."; strings.Join(got, " ") != want || all.String() != stream {
			t.Errorf("got %q of %d bytes, want %q of %d", got, all.Len(), want, len(stream))
		}
	}
}

// What is no message is an error, before memory is taken for it.
func TestPostgresNonsense(t *testing.T) {
	for name, stream := range map[string]string{
		"first":      "GET / HTTP/1.1\r\n\r\n",
		"first, too": pg("", ""),
		"later":      session() + "Q\xff\xff\xff\xff",
		"short":      session() + "Q\x00\x00\x00\x03",
	} {
		s, r := proxy.Postgres(), whole(stream)
		var err error
		for err == nil {
			_, err = s.Request(r)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want an error of the protocol", name, err)
		}
	}
}

// The answer to a request for encryption is a byte. What comes after a yes is not for a
// proxy to read.
func TestPostgresEncryption(t *testing.T) {
	secret := "\x16\x03\x01 no frames \xff\xff\xff\xff"
	for _, code := range []uint32{ssl, gss} {
		for answer, encrypted := range map[string]bool{"S": true, "G": true, "N": false} {
			s := proxy.Postgres()
			if _, err := s.Request(whole(begins(code, ""))); err != nil {
				t.Fatal(err)
			}
			r := whole(answer + secret)
			a, err := s.Reply(r)
			if string(a.Bytes) != answer || a.Ends || a.Error || err != nil {
				t.Fatalf("%s: %q, %v", answer, a.Bytes, err)
			}
			if !encrypted {
				continue
			}
			a, err = s.Reply(r)
			if string(a.Bytes) != secret || err != nil {
				t.Errorf("%s, from the server: %q, %v", answer, a.Bytes, err)
			}
			q, err := s.Request(whole(secret))
			if string(q.Bytes) != secret || q.Asks || q.Write || err != nil {
				t.Errorf("%s, from the client: %q, %v", answer, q.Bytes, err)
			}
		}
	}
	// A server that knows nothing of it answers with an error.
	s := proxy.Postgres()
	_, _ = s.Request(whole(begins(ssl, "")))
	if a, err := s.Reply(whole(pg("E", "SFATAL\x00"))); err != nil || !a.Error || len(a.Bytes) != 12 {
		t.Errorf("an error: %q, %v", a.Bytes, err)
	}
	// TLS without asking.
	s = proxy.Postgres()
	if q, err := s.Request(whole(secret)); string(q.Bytes) != secret || err != nil {
		t.Errorf("TLS from the first byte: %q, %v", q.Bytes, err)
	}
	if a, err := s.Reply(whole(secret)); string(a.Bytes) != secret || err != nil {
		t.Errorf("TLS from the first byte, from the server: %q, %v", a.Bytes, err)
	}
}

// fakePostgres answers as a server does, without encryption, and tells what was
// executed, and when a connection has ended.
func fakePostgres(t *testing.T, executed chan<- string) *proxy.Proxy {
	return raw(t, func(c *net.TCPConn) {
		defer func() { executed <- "end" }()
		r := bufio.NewReader(c)
		head := make([]byte, 8)
		for {
			if _, err := io.ReadFull(r, head); err != nil {
				return
			}
			if binary.BigEndian.Uint32(head[4:]) != ssl {
				break
			}
			_, _ = c.Write([]byte("N"))
		}
		_, _ = io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head))-8)
		_, _ = io.WriteString(c, pg("R", "\x00\x00\x00\x00")+pg("Z", "I"))
		for {
			head := make([]byte, 5)
			if _, err := io.ReadFull(r, head); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			switch head[0] {
			case 'P':
				_, _ = io.WriteString(c, pg("1", ""))
			case 'B':
				_, _ = io.WriteString(c, pg("2", ""))
			case 'E':
				executed <- "portal"
				_, _ = io.WriteString(c, pg("C", "UPDATE 1\x00"))
			case 'Q':
				executed <- string(body)
				_, _ = io.WriteString(c, pg("C", "UPDATE 1\x00")+pg("Z", "I"))
			case 'S':
				executed <- "sync"
				_, _ = io.WriteString(c, pg("Z", "I"))
			}
		}
	})
}

func TestPostgresFaults(t *testing.T) {
	executed := make(chan string, 100)
	p := fakePostgres(t, executed)
	p.SetProtocol(proxy.Postgres)
	open := func() *client {
		c := dial(t, p)
		c.send(begins(ssl, ""))
		c.gets("N")
		c.send(session())
		c.gets(pg("R", "\x00\x00\x00\x00") + pg("Z", "I"))
		return c
	}
	statements := func() (n int) {
		for <-executed != "end" {
			n++
		}
		return n
	}
	for write, want := range map[string]int{
		query("UPDATE t SET a = 1"): 1,
		parse("", "UPDATE t SET a = 1") + bind("", "") + execute("") + syncs(): 2, // the statement, and the end
	} {
		c := open()
		c.send(query("SELECT 1"))
		c.gets(pg("C", "UPDATE 1\x00") + pg("Z", "I"))
		<-executed
		between := 0
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { between = len(executed) }})
		c.send(write)
		// What was parsed and bound may have been answered before.
		if b, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) || bytes.Contains(b, []byte("UPDATE")) {
			t.Errorf("%q: got %q, %v, want ECONNRESET in place of the reply", write, b, err)
		}
		struck(t, undo, 1)
		if n := statements(); between != want || n != want {
			t.Errorf("%q: %d were executed before Between, %d in all, want %d", write, between, n, want)
		}
		c = open()
		undo = p.Fail(proxy.Fault{Kind: proxy.LoseRequest})
		c.send(write)
		_, _ = io.Copy(io.Discard, c)
		struck(t, undo, 1)
		if n := statements(); n != 0 {
			t.Errorf("%q: it was executed, and should be lost", write)
		}
	}
}
