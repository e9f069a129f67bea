package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// fakeOrientDB answers as a server does, tells what it was told, and when a connection has
// ended. It returns its address.
func fakeOrientDB(t *testing.T, executed chan<- string) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it was lost on its way
		}
		var content struct{ Command string }
		_ = json.Unmarshal(body, &content)
		command := content.Command
		if command == "" {
			command = r.Method + " " + r.URL.Path
		}
		executed <- command
		status := map[string]int{"FAIL a": 500, "UPDATE exists": 500, "UPDATE race": 409, "DENY a": 401, "GET /none": 204, "GET /same": 304}[command]
		w.Header()["Date"] = nil // so that each answer is known
		switch command {
		case "WAIT a":
			<-r.Context().Done()
		case "HTTP a":
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(c, "+OK\r\n")
		case "GET /rest":
			c, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(c, message("HTTP/1.1 200 OK", "until the end", "Connection: close"))
			_ = c.Close()
		case "GET /chunks", "UPDATE chunks":
			for i := range 3 {
				_, _ = fmt.Fprintf(w, "%s, part %d\n", command, i)
				_ = http.NewResponseController(w).Flush()
			}
		case "UPDATE exists":
			w.WriteHeader(status)
			_, _ = io.WriteString(w, duplicated)
		default:
			w.WriteHeader(max(status, 200))
			if status != 204 && status != 304 {
				_, _ = io.WriteString(w, "did "+command)
			}
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			executed <- "end"
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// httpProxy stands before a server, and must leave no goroutine behind.
func httpProxy(t *testing.T, executed chan<- string) *proxy.Proxy {
	t.Helper()
	p, err := proxy.New(fakeOrientDB(t, executed))
	if err != nil {
		t.Fatal(err)
	}
	p.SetProtocol(proxy.OrientDB)
	t.Cleanup(func() { _ = p.Close(); noneLeft(t) })
	return p
}

// did is the answer to a command.
func did(command string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ndid %s", len(command)+4, command)
}

// newHTTPClient is one that keeps its connections, and does not send a body that it was
// not told to send.
func newHTTPClient(t *testing.T, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	transport := &http.Transport{DialContext: dial, ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// call sends a request, and returns the status and the body.
func call(ctx context.Context, c *http.Client, method, url string, body io.Reader, headers ...string) (string, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return "", err
	}
	for _, h := range headers {
		if key, value, ok := strings.Cut(h, ": "); ok {
			q.Header.Set(key, value)
		}
	}
	a, err := c.Do(q)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return fmt.Sprint(a.StatusCode, " ", string(b)), err
}

// With net/http on both sides, each kind of message gets through.
func TestOrientDBTransparent(t *testing.T) {
	p := httpProxy(t, make(chan string, 100))
	dials := 0
	c := newHTTPClient(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return p.DialContext(ctx, network, addr)
	})
	long := "SELECT " + strings.Repeat("a", 1<<20)
	said := func(command string) io.Reader {
		b, _ := json.Marshal(map[string]string{"command": command})
		return bytes.NewReader(b)
	}
	parts := "GET /chunks, part 0\nGET /chunks, part 1\nGET /chunks, part 2\n"
	for _, q := range []struct {
		method, path string
		body         io.Reader
		header, want string
	}{
		{"POST", "/command/t/sql", said("UPDATE a"), "", "200 did UPDATE a"},
		{"POST", "/command/t/sql", io.MultiReader(said("UPDATE b")), "", "200 did UPDATE b"}, // in chunks
		{"POST", "/command/t/sql", said(long), "", "200 did " + long},
		{"POST", "/command/t/sql", io.MultiReader(said(long)), "", "200 did " + long},
		{"POST", "/command/t/sql", said("UPDATE c"), "Expect: 100-continue", "200 did UPDATE c"},
		{"POST", "/command/t/sql", io.MultiReader(said("UPDATE d")), "Expect: 100-continue", "200 did UPDATE d"},
		{"POST", "/command/t/sql", said("UPDATE exists"), "", "500 " + duplicated},
		{"GET", "/ping", nil, "", "200 did GET /ping"},
		{"HEAD", "/ping", nil, "", "200 "},
		{"GET", "/none", nil, "", "204 "},
		{"GET", "/same", nil, "", "304 "},
		{"PUT", "/document/t", nil, "", "200 did PUT /document/t"},
		{"GET", "/chunks", nil, "", "200 " + parts},
		{"GET", "/rest", nil, "", "200 until the end"},
		{"GET", "/ping", nil, "Connection: close", "200 did GET /ping"},
	} {
		got, err := call(t.Context(), c, q.method, "http://server"+q.path, q.body, q.header)
		if got != q.want || err != nil {
			t.Errorf("%s %s: %.200q, %v, want %.200q", q.method, q.path, got, err, q.want)
		}
	}
	if dials != 2 {
		t.Errorf("%d connections, want another only after the one that the server ended", dials)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestOrientDBFaults(t *testing.T) {
	executed := make(chan string, 100)
	p := httpProxy(t, executed)
	commands := func() (got []string) {
		for s := range executed {
			if s == "end" {
				break
			}
			got = append(got, s)
		}
		return got
	}
	get, put := request("GET /ping", ""), request("PUT /document/t", "{}")
	expects := request("POST /command/t/sql", `{"command":"UPDATE a"}`, "Expect: 100-continue")
	for _, c := range []struct {
		before, write, after string
		want                 []string // is executed before the reply has ended
	}{
		{"", sql("UPDATE a"), "", []string{"UPDATE a"}},
		{sql("SELECT a") + get, sql("INSERT a"), get + sql("SELECT b"), []string{"SELECT a", "GET /ping", "INSERT a"}},
		{request("HEAD /ping", "") + get, put, sql("UPDATE b"), []string{"HEAD /ping", "GET /ping", "PUT /document/t"}},
		{request("GET /chunks", ""), sql("UPDATE chunks"), "", []string{"GET /chunks", "UPDATE chunks"}},
		{sql("FAIL a") + request("GET /none", ""), message("POST /command/t/sql HTTP/1.1", chunks(`{"command":`, `"DELETE a"}`), chunked), get, []string{"FAIL a", "GET /none", "DELETE a"}},
		{get, expects, get, []string{"GET /ping", "UPDATE a"}},
	} {
		open := func() *client {
			conn := dial(t, p)
			conn.send(sql("SELECT 1"))
			conn.gets(did("SELECT 1"))
			<-executed
			return conn
		}
		conn, between := open(), 0
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { between = len(executed) }})
		conn.send(c.before + c.write + c.after)
		b, err := io.ReadAll(conn)
		write := c.want[len(c.want)-1]
		if !errors.Is(err, syscall.ECONNRESET) || bytes.Contains(b, []byte(write)) {
			t.Errorf("%v: got %q, %v, want ECONNRESET in place of the reply", c.want, b, err)
		}
		struck(t, undo, 1)
		if between < len(c.want) {
			t.Errorf("%v: %d were executed before Between", c.want, between)
		}
		if got := commands(); len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
			t.Errorf("%v: %q was executed", c.want, got)
		}

		conn = open()
		undo = p.Fail(proxy.Fault{Kind: proxy.LoseRequest})
		conn.send(c.before + c.write + c.after)
		_, _ = io.Copy(io.Discard, conn)
		struck(t, undo, 1)
		lost := c.want[:len(c.want)-1]
		if got := commands(); len(got) > len(lost) || !slices.Equal(got, lost[:len(got)]) {
			t.Errorf("%v: %q was executed, and the write should be lost", c.want, got)
		}
	}
}

// What arrives before the write is answered, also where it is not in one piece with it.
func TestOrientDBLoseReplyKeepsOthers(t *testing.T) {
	p := httpProxy(t, make(chan string, 100))
	c := dial(t, p)
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply})
	c.send(sql("SELECT a") + sql("SELECT b"))
	c.gets(did("SELECT a") + did("SELECT b"))
	head, body, _ := strings.Cut(request("POST /command/t/sql", `{"command":"UPDATE a"}`, "Expect: 100-continue"), "\r\n\r\n")
	c.send(head + "\r\n\r\n")
	c.gets("HTTP/1.1 100 Continue\r\n\r\n")
	c.send(body)
	c.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
	// A reply that ends with the connection ends.
	undo = p.Fail(proxy.Fault{Kind: proxy.LoseReply})
	c = dial(t, p)
	c.send(request("POST /rest", ""))
	c.ends(syscall.ECONNRESET)
	struck(t, undo, 1)
}

func TestOrientDBErrorsAreCounted(t *testing.T) {
	p := httpProxy(t, make(chan string, 100))
	undo := p.Fail(proxy.Fault{Kind: proxy.Errors})
	c := dial(t, p)
	c.send(sql("FAIL a") + sql("UPDATE exists") + sql("UPDATE race") + sql("DENY a") + sql("SELECT a") + sql("FAIL a") + request("GET /same", "", "Connection: close"))
	b, err := io.ReadAll(c)
	if n := bytes.Count(b, []byte("HTTP/1.1 ")); n != 7 || err != nil {
		t.Errorf("%d replies, %v, want 7", n, err)
	}
	struck(t, undo, 3)
}

// A server that speaks something else ends the connection, and Close says so.
func TestOrientDBOfAnotherServer(t *testing.T) {
	p := httpProxy(t, make(chan string, 100))
	c := dial(t, p)
	c.send(sql("SELECT a") + sql("HTTP a"))
	b, err := io.ReadAll(c)
	if !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(did("SELECT a"), string(b)) {
		t.Errorf("got %q, %v, want ECONNRESET after the value", b, err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "http: ") {
		t.Errorf("Close: %v, want what is wrong", err)
	}
}

// A client of net/http dials through a network, and its calls end by what fails there.
func TestNetworkOfAnHTTPClient(t *testing.T) {
	executed := make(chan string, 100)
	n := proxy.NewNetwork(t, proxy.OrientDB)
	c := newHTTPClient(t, n.DialContext)
	url := "http://" + fakeOrientDB(t, executed) + "/command/t/sql"
	said := func(ctx context.Context, command string) (string, error) {
		return call(ctx, c, "POST", url, strings.NewReader(`{"command":"`+command+`"}`))
	}
	arrived := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-executed:
				if got == want {
					return
				}
				if got != "end" {
					t.Fatalf("%q arrived, want %q", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("nothing arrived, want %q", want)
			}
		}
	}
	works := func() {
		t.Helper()
		if got, err := said(t.Context(), "UPDATE a"); got != "200 did UPDATE a" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		arrived("UPDATE a")
	}
	for _, f := range []struct {
		kind    proxy.Kind
		command string
		late    bool // the fault begins when the call has arrived
		want    error
		arrives bool
	}{
		{proxy.Reset, "WAIT a", true, syscall.ECONNRESET, true},
		{proxy.Refuse, "UPDATE b", false, syscall.ECONNREFUSED, false},
		{proxy.DropReplies, "UPDATE c", false, context.Canceled, true},
		{proxy.DropRequests, "UPDATE d", false, context.Canceled, false},
		{proxy.LoseReply, "UPDATE e", false, syscall.ECONNRESET, true},
		{proxy.LoseRequest, "UPDATE f", false, syscall.ECONNRESET, false},
	} {
		works()
		c.CloseIdleConnections() // one that a fault ends is not taken for the call
		ctx, cancel := context.WithCancel(t.Context())
		fault := proxy.Fault{Kind: f.kind, Struck: func() {
			if f.want == context.Canceled { // there is no other end
				cancel()
			}
		}}
		undo := func() int { return 0 }
		if !f.late {
			undo = n.Fail(fault)
		}
		called := make(chan error, 1)
		go func() {
			_, err := said(ctx, f.command)
			called <- err
		}()
		if f.arrives {
			arrived(f.command)
		}
		if f.late {
			undo = n.Fail(fault)
		}
		if err := <-called; !errors.Is(err, f.want) {
			t.Errorf("%s: %v, want %v", f.kind, err, f.want)
		}
		cancel()
		if undo() == 0 {
			t.Errorf("%s: it did not strike", f.kind)
		}
		works()
	}
}
