package orientdb_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/orientdb"
)

// stub is a server that answers what it is told to, and remembers what it was asked.
type stub struct {
	*httptest.Server
	conns  atomic.Int64 // that were made
	live   atomic.Int64 // that are open
	mu     sync.Mutex
	asked  []request
	answer func(n int, w http.ResponseWriter) // to the n-th request, from 0
}

// request is what the stub was asked.
type request struct {
	path, user, password, cookie string
	body                         []byte
	command                      string
	params                       map[string]any
	over                         <-chan struct{} // when the client has given it up
}

func newStub(t *testing.T, answer func(n int, w http.ResponseWriter)) *stub {
	st := &stub{answer: answer}
	st.Server = httptest.NewUnstartedServer(http.HandlerFunc(st.serve))
	st.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			st.conns.Add(1)
			st.live.Add(1)
		case http.StateClosed:
			st.live.Add(-1)
		}
	}
	st.Start()
	t.Cleanup(st.Close)
	return st
}

func (st *stub) serve(w http.ResponseWriter, r *http.Request) {
	q := request{path: r.URL.Path, over: r.Context().Done()}
	q.user, q.password, _ = r.BasicAuth()
	if c, err := r.Cookie("OSESSIONID"); err == nil {
		q.cookie = c.Value
	}
	q.body, _ = io.ReadAll(r.Body)
	var content struct {
		Command    string
		Parameters map[string]any
	}
	_ = json.Unmarshal(q.body, &content)
	q.command, q.params = content.Command, content.Parameters
	st.mu.Lock()
	st.asked = append(st.asked, q)
	n := len(st.asked) - 1
	st.mu.Unlock()
	st.answer(n, w)
}

// all is what was asked so far.
func (st *stub) all() []request {
	st.mu.Lock()
	defer st.mu.Unlock()
	return append([]request(nil), st.asked...)
}

// open opens a store there, which the test closes.
func (st *stub) open(t *testing.T, opts *orientdb.Options) *orientdb.Store {
	t.Helper()
	if opts == nil {
		opts = &orientdb.Options{}
	}
	opts.SweepEvery = -1
	s, err := orientdb.New(&orientdb.Database{URL: st.URL, Name: "app", User: "anna", Password: "pä"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rows answers with a result.
func rows(w http.ResponseWriter, result string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"result":%s,"dbStats":{"loadedRecords":0},"elapsedMs":1}`, result)
}

// refuse answers as the server does when it refuses.
func refuse(w http.ResponseWriter, status int, content string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	text, _ := json.Marshal(content)
	body := fmt.Appendf(nil, "{\n  \"errors\": [\n    {\n      \"code\": %d,\n      \"reason\": \"x\",\n      \"content\": %s\n    }\n  ]\n}", status, text)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// discard is for what a server has to say of its clients.
var discard = log.New(io.Discard, "", 0)
