package orientdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// database asks the server to make the class's database (POST) or to drop it (DELETE).
func (x *class) database(tb testing.TB, method string) {
	tb.Helper()
	path := "/database/" + x.db.Name
	if method == http.MethodPost {
		path += "/plocal"
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(tb.Context()), method, x.db.URL+path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Close = true
	req.SetBasicAuth(x.db.User, x.db.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		tb.Errorf("%s of the database: %s", method, resp.Status)
	}
}

// elsewhere is a class in a database of its own, which is not there yet.
func elsewhere(tb testing.TB) *class {
	tb.Helper()
	x := &class{url: shared.URL(tb), opts: orientdb.Options{SweepEvery: -1, Timeout: 30 * time.Second}}
	x.db = orientdbtest.Database(tb, x.url)
	x.db.Name = orientdbtest.NewName()
	return x
}

// What is missing is said, with what to do; once it is there the store works as it is.
func TestMissing(t *testing.T) {
	t.Parallel()
	x := elsewhere(t)
	s := x.open(t, nil)
	each := func(text string) {
		t.Helper()
		for what, call := range verbs.All(s, 1) {
			says(t, what, call(t.Context()), text)
		}
	}
	each("no such database")
	x.database(t, http.MethodPost)
	t.Cleanup(func() { x.database(t, http.MethodDelete) })
	each("Migrate")
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exercise(t, s)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	right := ":" + x.db.Password + "@"
	x.db.Password = "hunter2"
	s := x.open(t, nil)
	for what, call := range map[string]func() error{
		"ping": func() error { return s.Ping(t.Context()) }, "migrate": func() error { return s.Migrate(t.Context()) },
		"open": func() error {
			_, err := store.Open(t.Context(), strings.Replace(storeURL(x.url, x.opts.Class), right, ":hunter2@", 1), orientdb.Opener)
			return err
		},
	} {
		err := call()
		says(t, what, err, "wrong user or password")
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Users of the database who may not do all: a reader can load and list, a writer what
// sessions need. Neither can make classes, nor need they where there is one.
func TestRoles(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	v := verbs.Theirs(t, x.open(t, nil))
	as := func(role string) *class {
		user := *x
		user.db.User, user.db.Password = role+x.opts.Class, "secret"
		x.addUser(t, user.db.User, user.db.Password, role)
		return &user
	}
	reader, writer := as("reader"), as("writer")
	s := reader.open(t, nil)
	reads := 0
	for what, call := range verbs.All(s, v) {
		switch err := call(t.Context()); what {
		case "load", "list", "list owner", "count", "ping":
			reads++
			want(t, what, err, nil)
		case "delete", "sweep": // of what is not there
			want(t, what, err, nil)
		default:
			says(t, what, err, "lacks the right")
		}
	}
	says(t, "delete", s.Delete(t.Context(), "a"), "lacks the right")
	if reads != 5 {
		t.Errorf("%d verbs only read, want 5", reads)
	}
	for what, user := range map[string]*class{"reader": reader, "writer": writer} {
		s := user.open(t, nil)
		want(t, what+", whose class is there", s.Migrate(t.Context()), nil)
		other := *user
		other.opts.Class = orientdbtest.NewName()
		says(t, what+", whose class is not there", other.open(t, nil).Migrate(t.Context()), "lacks the right")
	}
	if got := x.shape(t); got != whole {
		t.Errorf("the class is\n%s", got)
	}
	w := writer.open(t, nil)
	if n, err := w.DeleteOwner(t.Context(), "o"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	exercise(t, w)
}

// nothing is a server that must not be asked.
func nothing(tb testing.TB) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tb.Error("something was sent") })
}

// What is not OrientDB is said to be something else, by every verb, and in time.
func TestSomethingElse(t *testing.T) {
	t.Parallel()
	next := httptest.NewServer(nothing(t))
	defer next.Close()
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const strange = "not one of OrientDB's HTTP interface"
	for what, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
		lasts   bool // it may be over, so it is asked again until nobody waits
	}{
		"a page":         {answer(200, "text/html", "<html>Welcome</html>"), strange, false},
		"a page of JSON": {answer(200, "text/html", `{"result":[{"count":1}]}`), strange, false},
		"not found":      {answer(404, "text/plain", "404 page not found"), "no OrientDB at the address", false},
		"another method": {answer(405, "text/plain", ""), "no OrientDB at the address", false},
		"moved":          {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, next.URL, http.StatusFound) }, "sends elsewhere", false},
		"moved for good": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, next.URL, http.StatusPermanentRedirect)
		}, "sends elsewhere", false},
		"a busy gateway": {answer(503, "text/html", "<html>No server is available</html>"), "503 Service Unavailable", false},
		"without result": {answer(200, "application/json", `{"status":"ok"}`), strange, false},
		"another result": {answer(200, "application/json", `{"result":"ok"}`), "another type", false},
		"a list":         {answer(200, "application/json", `[]`), strange, false},
		"nothing":        {answer(200, "application/json", ``), strange, false},
		"half of an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"result":[{"count":1,"id":"s:a","rev":1,"exp":99999999`))
		}, "the connection broke", true},
		"an endless one": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"result":[`))
			for blank := []byte(strings.Repeat(" ", 1<<16)); ; {
				if _, err := w.Write(blank); err != nil {
					return
				}
			}
		}, "longer than the largest session", false},
		"an endless refusal": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			for blank := []byte(strings.Repeat(" ", 1<<16)); ; {
				if _, err := w.Write(blank); err != nil {
					return
				}
			}
		}, "lacks the right", false},
		"another protocol": {func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_, _ = c.Write([]byte("220 mail.example.com ESMTP\r\n"))
				_ = c.Close()
			}
		}, "no answer of HTTP", true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			giveUp := func() {}
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 3 && c.lasts {
					giveUp() // nothing but who waits ends it
				}
				c.handler(w, r)
			}))
			defer web.Close()
			opts := orientdb.Options{SweepEvery: -1, Timeout: time.Minute}
			if c.lasts {
				opts.Timeout = -1
			}
			calls := callsTo(t, web.URL, &opts)
			for verb, call := range calls {
				ctx, cancel := context.WithCancel(t.Context())
				giveUp = cancel
				asked.Store(0)
				err := call(ctx)
				says(t, verb, err, c.says)
				if ended := errors.Is(err, context.Canceled); ended != c.lasts || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, which is to last: %t", verb, err, c.lasts)
				}
				cancel()
			}
		})
	}
}

// callsTo are the calls of a store on what is at the URL.
func callsTo(t *testing.T, url string, opts *orientdb.Options) map[string]func(context.Context) error {
	t.Helper()
	s, err := orientdb.New(&orientdb.Database{URL: url, Name: "d", User: "root", Password: "root"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	calls := verbs.All(s, 1)
	calls["migrate"] = s.Migrate
	return calls
}

// What never answers is waited for as long as the store's time is.
func TestSilence(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not look whether anybody waits
		<-r.Context().Done()
	}))
	defer web.Close()
	calls := callsTo(t, web.URL, &orientdb.Options{SweepEvery: -1, Timeout: 50 * time.Millisecond})
	for verb, call := range calls {
		says(t, verb, call(t.Context()), "deadline exceeded")
	}
}

// Where the server cannot open a database it answers a request twice: a client that goes on
// with the connection takes the second answer for that to its next request, and so on. When
// the database is there again, no Load returns what is another's.
func TestAnswersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	x := elsewhere(t)
	h, client := hear(t)
	h.RoundTripper.(*http.Transport).DialContext = dialLate
	const n = 16
	rounds := 2
	if full() {
		rounds = 20
	}
	for range rounds {
		var loads, missing, refused atomic.Int64
		var there atomic.Bool
		s := x.open(t, client) // one that the server has no session for, by the same connections
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range n {
			id := fmt.Sprint("id", i)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					must := there.Load()
					e, err := s.Load(t.Context(), id)
					switch {
					case err == nil && string(e.Data) == id:
						loads.Add(1)
					case errors.Is(err, store.ErrNotFound) && must && there.Load():
						t.Errorf("%s is there, and not found", id)
						return
					case err == nil:
						t.Errorf("%s has loaded what is that of %s", id, e.Data)
						return
					case errors.Is(err, store.ErrNotFound):
						missing.Add(1)
					default:
						refused.Add(1)
					}
				}
			})
		}
		// at waits until something has happened so often, while all goes well.
		at := func(count *atomic.Int64, more int64) {
			t.Helper()
			for end, goal := time.Now().Add(30*time.Second), count.Load()+more; count.Load() < goal && !t.Failed(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("nothing goes on: %d loads, %d not found, %d refused", loads.Load(), missing.Load(), refused.Load())
				}
			}
		}
		h.take()
		at(&refused, 100)
		x.database(t, http.MethodPost)
		other := x.open(t, nil)
		if err := other.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
		for i := range n {
			_, err := other.Create(t.Context(), fmt.Sprint("id", i), store.Record{Data: []byte(fmt.Sprint("id", i))}, hour)
			want(t, "create", err, nil)
		}
		there.Store(true)
		at(&loads, 1000)
		there.Store(false)
		twice := h.answered(http.StatusUnauthorized)
		x.database(t, http.MethodDelete)
		at(&refused, 20)
		close(stop)
		wg.Wait()
		t.Logf("%d loads, %d not found, %d refused; %d answers were 401", loads.Load(), missing.Load(), refused.Load(), twice)
		if twice < 100 {
			t.Error("the database was never missing")
		}
	}
}

// late is a connection to the server on which an answer arrives as late as can be: when the
// next request has been sent, if it is none to those before. Package net/http closes a
// connection on which something arrives while nobody waits.
type late struct {
	net.Conn
	mu             sync.Mutex
	sent           *sync.Cond // there is one request more, or the end
	asked, arrived int
	closed         bool
	rest           []byte // that was read, and has not arrived
}

func dialLate(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &late{Conn: c}
	l.sent = sync.NewCond(&l.mu)
	return l, nil
}

func (c *late) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.HasPrefix(b, []byte("POST ")) {
		c.asked++
		c.sent.Broadcast()
	}
	return n, err
}

func (c *late) Read(b []byte) (int, error) {
	begin := []byte("HTTP/1.1 ") // of an answer
	if len(c.rest) == 0 {
		more := make([]byte, 16<<10)
		n, err := c.Conn.Read(more)
		if n == 0 {
			return 0, err
		}
		c.rest = more[:n]
	}
	if bytes.HasPrefix(c.rest, begin) {
		c.mu.Lock()
		for c.arrived >= c.asked && !c.closed {
			c.sent.Wait()
		}
		c.arrived++
		c.mu.Unlock()
	}
	now := c.rest
	if i := bytes.Index(c.rest[1:], begin); i >= 0 {
		now = c.rest[:i+1]
	}
	n := copy(b, now)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *late) Close() error {
	c.mu.Lock()
	c.closed = true
	c.sent.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}
