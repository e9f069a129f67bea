package proxy_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// request is one with a body of known length.
func request(line, body string, headers ...string) string {
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return message(line+" HTTP/1.1", body, headers...)
}

// response is one with a body of known length.
func response(status, body string, headers ...string) string {
	return message("HTTP/1.1 "+status, body, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))...)
}

func message(line, body string, headers ...string) string {
	return strings.Join(append([]string{line, "Host: a"}, headers...), "\r\n") + "\r\n\r\n" + body
}

// chunks are a body of pieces, with what chunks may have besides.
func chunks(pieces ...string) (body string) {
	for _, p := range pieces {
		body += fmt.Sprintf("%X;name=\"value\"\r\n%s\r\n", len(p), p)
	}
	return body + "000\r\nA-Trailer: 0\r\n\r\n"
}

const chunked = "Transfer-Encoding: chunked"

// sql is a command as the adapter sends it.
func sql(text string) string {
	quoted, _ := json.Marshal(text)
	return request("POST /command/t/sql", `{"command":`+string(quoted)+`,"returnExecutionPlan":false,"parameters":{"command":"DROP"}}`)
}

// statements are several, one word each.
func statements(words string) (s string) {
	for word := range strings.FieldsSeq(words) {
		s += sql(word + " a")
	}
	return s
}

// What clients say, and what it is to the proxy.
var orientdbRequests = []struct{ stream, want string }{
	{
		statements("SELECT select EXPLAIN PROFILE MATCH TRAVERSE BEGIN UPDATED") + sql("SELECT 'UPDATE'") + sql("") + sql(" \n") + sql("(UPDATE)"),
		strings.TrimSpace(strings.Repeat("P? ", 12)),
	},
	{statements("UPDATE INSERT DELETE CREATE ALTER DROP TRUNCATE REBUILD upDate"), strings.TrimSpace(strings.Repeat("Pw? ", 9))},
	{sql(" \n\tupdate\tS SET a = 1") + sql("CREATE") + sql("ÜPDATE a"), "Pw? Pw? P?"},
	{request("POST /command/t/sql", `{"a":{"command":"UPDATE a"},"command":"SELECT a"}`) + request("POST /command/t/sql", `{"command":1}`) + request("POST /command/t/sql", `{"command":"UPDATE`), "P? P? P?"},
	{request("POST /command/t/sql", "UPDATE a") + request("POST /command/t/sql", "SELECT a") + request("POST /command/t/sql/-/20?a=b", " delete a"), "Pw? P? Pw?"},
	{request("POST /command/t/sql/UPDATE%20a", "") + request("GET /command/t/sql/drop%20class%20a", "") + request("GET /command/t/sql/SELECT%20a", ""), "Pw? Gw? G?"},
	{request("POST /command/t/sql/UPDATE%20a", "SELECT a") + request("POST /command/t/SQL", "UPDATE a") + request("POST http://a:1/command/t/sql", "UPDATE a"), "P? Pw? Pw?"},
	{request("POST /command/t/script", `{"command":"SELECT a"}`) + request("POST /command/t/batch", "{}") + request("POST /command/t", "UPDATE a") + request("POST /command", ""), "Pw? Pw? P? P?"},
	{request("POST /database/t/plocal", "") + request("PUT /document/t/1:1", "{}") + request("PATCH /document/t/1:1", "{}") + request("DELETE /database/t", "") + request("POST /batch/t", "{}"), "Pw? Pw? Pw? Dw? Pw?"},
	{request("GET /ping", "") + request("HEAD /ping", "") + request("OPTIONS *", "") + request("GET /query/t/sql/UPDATE", "") + request("GET /", "a body"), "G? H? O? G? G?"},
	{message("POST /command/t/sql HTTP/1.1", chunks(`{"comma`, `nd":"UP`, `DATE a"}`), chunked) + message("POST /command/t/sql HTTP/1.1", chunks("SELECT a"), chunked) + message("POST /a HTTP/1.1", chunks(), chunked), "Pw? P? Pw?"},
	{request("POST /command/t/sql", "UPDATE a", "Expect: 100-continue") + sql("SELECT a") + message("POST /command/t/sql HTTP/1.1", chunks("UP", "DATE a"), chunked, "expect: 100-Continue"), "P Uw? P? P 2w?"},
	{request("GET /", "", "Expect: 100-continue") + request("GET /", "a", "Expect: 100-continue") + request("POST /a", "a", "Expect: much"), "G? G a? Pw?"},
	{message("GET /ping HTTP/1.0", "") + request("POST /command/t/sql", "UPDATE a", "OSESSIONID: a", "Cookie: "+strings.Repeat("a", 100_000)), "G? Pw?"},
	{sql("UPDATE "+strings.Repeat("a", 300_000)) + message("POST /command/t/sql HTTP/1.1", chunks("SELECT ", strings.Repeat("\r\n", 100_000)), chunked) + sql("DELETE a"), "Pw? P? Pw?"},
}

func TestOrientDBRequests(t *testing.T) {
	for _, c := range orientdbRequests {
		for _, r := range readers(c.stream) {
			if got := strings.Join(asked(t, proxy.OrientDB(), r, c.stream), " "); got != c.want {
				t.Errorf("%.200q: got %q, want %q", c.stream, got, c.want)
			}
		}
	}
}

const duplicated = `{"errors":[{"code":500,"content":"com.orientechnologies.orient.core.storage.ORecordDuplicatedException: Cannot index"}]}`

// What servers say to which requests, and what it is to the proxy.
var orientdbReplies = []struct{ methods, stream, want string }{
	{"POST GET GET", response("200 OK", `{"result":[]}`) + response("201 Created", "") + response("302 Found", "a", "Connection: close"), "H. H. H."},
	{"GET GET GET", response("400 Internal Server Error", "no") + response("401 Unauthorized", "") + response("404 Not Found", ""), "H.! H.! H.!"},
	{"GET GET GET", response("500 Internal Server Error", "OConcurrentModificationException") + response("503 No", "") + response("409 Conflict", "a"), "H.! H.! H."},
	{"GET GET GET", response("500 Internal Server Error", duplicated) + response("503 No", duplicated) + response("500 No", "RecordDuplicatedException"), "H. H.! H.!"},
	{"GET GET", message("HTTP/1.1 200 OK", chunks("a", "\r\n", strings.Repeat("b", 300)), chunked) + message("HTTP/1.1 200 OK", chunks(), chunked), "H. H."},
	{"GET GET", message("HTTP/1.1 500 No", chunks(duplicated[:80], duplicated[80:]), chunked) + message("HTTP/1.1 500 No", chunks("no"), chunked), "H. H.!"},
	{"GET GET GET", message("HTTP/1.1 204 No Content", "") + message("HTTP/1.1 304 Not Modified", "", "Content-Length: 100") + message("HTTP/1.1 304 Not Modified", "", chunked), "H. H. H."},
	{"HEAD GET HEAD HEAD", message("HTTP/1.1 200 OK", "", "Content-Length: 100") + response("200 OK", "body") + message("HTTP/1.1 200 OK", "", chunked) + message("HTTP/1.1 500 No", ""), "H. H. H. H.!"},
	{"POST GET", message("HTTP/1.1 100 null", "", "Content-Length: 0") + response("200 OK", "a") + message("HTTP/1.1 102 Wait", "") + message("HTTP/1.1 103 Early", "") + response("500 No", ""), "H H. H H H.!"},
	{"GET HEAD", message("HTTP/1.1 102 Wait", "") + response("200 OK", "a") + message("HTTP/1.1 100 Continue", "") + message("HTTP/1.1 200 OK", "", "Content-Length: 7"), "H H. H H."},
	{"GET GET", response("200 OK", "a") + message("HTTP/1.1 200 OK", "until the end\r\n\r\nHTTP/1.1 500 No\r\n\r\n", "Connection: close"), "H. H."},
	{"GET GET", message("HTTP/1.1 200 OK", "00a \t; a\r\n0123456789\r\n0 \r\n\r\n", chunked) + message("HTTP/1.0 200 OK", "", chunked), "H. H."},
	{"POST", response("401 Unauthorized", "a", `WWW-Authenticate: Basic realm="OrientDB db-t"`) + response("500 Internal Server Error", "b"), "H.! H!"},
	{"GET GET", response("200 OK", strings.Repeat("a", 300_000)) + message("HTTP/1.1 200 OK", chunks(strings.Repeat("\r\n", 100_000), "a"), chunked, "Date: Sun Nov 29 16:15:15 UTC 2026"), "H. H."},
}

// ask has a splitter see a request by each method.
func ask(t *testing.T, methods string) proxy.Splitter {
	t.Helper()
	s := proxy.OrientDB()
	for method := range strings.FieldsSeq(methods) {
		if _, err := s.Request(whole(request(method+" /", ""))); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestOrientDBReplies(t *testing.T) {
	for _, c := range orientdbReplies {
		for _, r := range readers(c.stream) {
			got, all, err := answered(ask(t, c.methods), r)
			if strings.Join(got, " ") != c.want || all != c.stream || err != io.EOF {
				t.Errorf("%.200q: got %q of %d bytes, %v, want %q of %d", c.stream, got, len(all), err, c.want, len(c.stream))
			}
		}
	}
	// What ends with the connection does not end with a reset.
	s, stream := ask(t, "GET"), message("HTTP/1.1 200 OK", "half")
	a, err := s.Reply(bufio.NewReader(io.MultiReader(strings.NewReader(stream), reset{})))
	if string(a.Bytes) != stream || a.Ends || !errors.Is(err, errReset) {
		t.Errorf("a reset: %q, %v, %v", a.Bytes, a.Ends, err)
	}
}

type reset struct{}

var errReset = errors.New("reset")

func (reset) Read([]byte) (int, error) { return 0, errReset }

// A stream may end anywhere. What was there is handed on, and nothing of it is complete
// that is not.
func TestOrientDBCut(t *testing.T) {
	for _, c := range orientdbReplies {
		for n := range min(len(c.stream), 500) {
			cut := c.stream[:n]
			got, all, err := answered(ask(t, c.methods), whole(cut))
			if all != cut || !errors.Is(err, io.EOF) || !strings.HasPrefix(c.want, strings.Join(got, " ")) {
				t.Errorf("%.200q, cut at %d: got %q and %q, %v", c.stream, n, got, all, err)
			}
		}
	}
	for _, c := range orientdbRequests {
		for n := range min(len(c.stream), 1000) {
			got := strings.Join(asked(t, proxy.OrientDB(), whole(c.stream[:n]), c.stream[:n]), " ")
			if !strings.HasPrefix(c.want, got) {
				t.Errorf("%.200q, cut at %d: got %q, want no more than %q", c.stream, n, got, c.want)
			}
		}
	}
}

func TestOrientDBEncryption(t *testing.T) {
	secret := "\x16\x03\x01 no head, but bytes that are not for us \xff\xff\xff\xff"
	for _, read := range []func(string) *bufio.Reader{whole, torn} {
		s := proxy.OrientDB()
		for range 2 {
			if got := strings.Join(asked(t, s, read(secret), secret), ""); strings.ContainsAny(got, "w?") {
				t.Errorf("from the client: %q", got)
			}
			got, all, err := answered(s, read(secret))
			if strings.ContainsAny(strings.Join(got, ""), ".!") || all != secret || err != io.EOF {
				t.Errorf("from the server: %q, %q, %v", got, all, err)
			}
		}
	}
	s := proxy.OrientDB()
	_, _ = s.Request(whole(sql("SELECT a")))
	if q, err := s.Request(whole(secret)); err == nil {
		t.Errorf("TLS in the middle: %q, want an error", q.Bytes)
	}
	// Whoever waited for the reply since before knows.
	p := raw(t, func(c *net.TCPConn) { _, _ = io.CopyN(c, c, int64(len(secret))) })
	p.SetProtocol(proxy.OrientDB)
	c := dial(t, p)
	c.silent()
	c.send(secret)
	c.gets(secret)
}

// What is not HTTP/1.1 is an error.
func TestOrientDBNonsense(t *testing.T) {
	last := func(f func() error) (err error) {
		for err == nil {
			err = f()
		}
		return err
	}
	long := strings.Repeat("a", 2<<20)
	bodies := []string{
		"Content-Length: x\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length: 1073741825\r\n\r\n",
		"Content-Length: 99999999999999999999\r\n\r\n", "Transfer-Encoding: gzip\r\n\r\n", "no header\r\n\r\n", ": a\r\n\r\n", "A: a\n\r\n", "A: " + long,
		strings.Repeat("A: "+long[:1000]+"\r\n", 2000), " \r\n\r\n",
	}
	for _, body := range []string{
		"x\r\n", "\r\n", "-1\r\n", "+1\r\na\r\n", "1_0\r\n", "40000001\r\n", "7fffffffffffffff\r\n", "ffffffffffffffff\r\n", "1\r\nab\r\n", "1\r\nabc0\r\n\r\n", "1\na\n", "0\r\nA: a\n",
		"0\r\n" + long, "0\r\n" + strings.Repeat(long[:1000]+"\r\n", 2000), "1;" + long,
	} {
		bodies = append(bodies, chunked+"\r\n\r\n"+body)
	}
	requests := []string{
		session(), command("PING"), "\x01", " GET / HTTP/1.1\r\n\r\n", "\r\nGET / HTTP/1.1\r\n\r\n", "GET\r\n", "GET /\r\n", "GET / HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n",
		"GET HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n", response("200 OK", ""), long, sql("SELECT") + "no",
	}
	replies := []string{
		"\x15\x03\x03", "+OK\r\n", "\r\n", "HTTP\r\n", "HTTP/2.0 200 OK\r\n", "HTTP/1.1\r\n", "HTTP/1.1 no\r\n\r\n", "HTTP/1.1 -10 OK\r\n\r\n", "H" + long, response("200 OK", "") + "no",
		request("HEAD /", ""), message("HTTP/1.1 101 Switching Protocols", "\x00\x00", "Upgrade: websocket"),
	}
	for _, body := range bodies {
		requests = append(requests, "POST / HTTP/1.1\r\n"+body)
		replies = append(replies, "HTTP/1.1 200 OK\r\n"+body)
	}
	var got []error
	for _, stream := range requests {
		s, r := proxy.OrientDB(), whole(stream)
		got = append(got, fmt.Errorf("from the client, %.100q: %w", stream, last(func() error { _, err := s.Request(r); return err })))
	}
	for _, stream := range replies {
		s, r := proxy.OrientDB(), whole(stream)
		got = append(got, fmt.Errorf("from the server, %.100q: %w", stream, last(func() error { _, err := s.Reply(r); return err })))
	}
	for _, err := range got {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "http: ") {
			t.Errorf("%v, want an error of the protocol", err)
		}
	}
}

// Memory is taken for what comes, not for what is announced, and not again for each
// piece of it.
func TestOrientDBMemory(t *testing.T) {
	const size = 4 << 20
	for name, c := range map[string]struct {
		stream string
		most   uint64
	}{
		"announced":      {message("HTTP/1.1 200 OK", "", "Content-Length: 1073741824"), 1 << 20},
		"a large chunk":  {message("HTTP/1.1 200 OK", "3fffff00\r\n", chunked), 1 << 20},
		"a long body":    {response("200 OK", strings.Repeat("x", size)), 10 * size},
		"without length": {message("HTTP/1.1 200 OK", strings.Repeat("x", size)), 10 * size},
		"many chunks":    {message("HTTP/1.1 200 OK", strings.Repeat("1\r\nx\r\n", size/6), chunked), 10 * size},
		"one chunk":      {message("HTTP/1.1 200 OK", chunks(strings.Repeat("x", size)), chunked), 15 * size},
	} {
		s, r := proxy.OrientDB(), bufio.NewReaderSize(strings.NewReader(c.stream), 4096)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, _ := s.Reply(r)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > c.most || len(a.Bytes) != len(c.stream) {
			t.Errorf("%s: %d bytes came of %d, and took %d, want at most %d", name, len(a.Bytes), len(c.stream), took, c.most)
		}
	}
}

// cutAlike fails unless both streams are cut at the same places however they arrive, and
// nothing is lost.
func cutAlike(t *testing.T, stream string) {
	t.Helper()
	for name, next := range map[string]func(s proxy.Splitter, r *bufio.Reader) (piece any, b []byte, err error){
		"request": func(s proxy.Splitter, r *bufio.Reader) (any, []byte, error) {
			q, err := s.Request(r)
			return q, q.Bytes, err
		},
		"reply": func(s proxy.Splitter, r *bufio.Reader) (any, []byte, error) {
			a, err := s.Reply(r)
			return a, a.Bytes, err
		},
	} {
		var made []string
		for _, r := range readers(stream) {
			s, all, pieces := ask(t, "GET HEAD GET"), "", ""
			for {
				piece, b, err := next(s, r)
				all += string(b)
				pieces += fmt.Sprintln(piece, err)
				if errors.Is(err, io.EOF) && all != stream || !strings.HasPrefix(stream, all) || err == nil && len(b) == 0 {
					t.Fatalf("%s: %q of %q, %v", name, all, stream, err)
				}
				if err != nil {
					break
				}
			}
			made = append(made, pieces)
		}
		if made[0] != made[1] {
			t.Fatalf("%s: cut as\n%s\nand as\n%s", name, made[0], made[1])
		}
	}
}

func FuzzOrientDB(f *testing.F) {
	for _, c := range orientdbRequests {
		f.Add(c.stream[:min(len(c.stream), 1000)])
	}
	for _, c := range orientdbReplies {
		f.Add(c.stream[:min(len(c.stream), 1000)])
	}
	f.Fuzz(cutAlike)
}

// Every single byte that is wrong, or missing.
func TestOrientDBGarbled(t *testing.T) {
	for _, stream := range []string{
		request("POST /command/t/sql", "UPDATE a", "Expect: 100-continue") + request("GET /", ""),
		message("POST /command/t/sql HTTP/1.1", chunks("UP", "DATE a"), chunked) + request("GET /", ""),
		message("HTTP/1.1 500 No", chunks(duplicated[80:], "a"), chunked) + response("200 OK", "a"),
		message("HTTP/1.1 100 Continue", "") + response("200 OK", "body") + response("409 Conflict", ""),
	} {
		for n := range stream {
			cutAlike(t, stream[:n]+stream[n+1:])
			for _, b := range []byte{0, '\r', '\n', ' ', ':', '0', '9', 0xff} {
				cutAlike(t, stream[:n]+string([]byte{b})+stream[n+1:])
			}
		}
	}
}
