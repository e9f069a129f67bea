package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// OrientDB is HTTP/1.1 as OrientDB's HTTP interface speaks it. A write is a command whose
// first word is that of a statement that may write, one in another language than SQL, and
// what else is sent by POST, PUT, DELETE or PATCH. A comment before the first word hides it.
//
// A reply is a response with its body, and a response of the kind 100 is a piece of its own
// before it. Where there is no such database, the server answers one request with a 401 and
// then with a 500. The second ends nothing, unless the next request was quicker: then it is
// the answer to that one, to the proxy as to the client.
//
// A request that expects a 100 is two pieces, of which the body is the write. A server that
// answers it without reading the body has ended nothing.
//
// https://orientdb.org/docs/3.2.x/misc/OrientDB-REST.html
func OrientDB() Splitter { return &orientdb{} }

type orientdb struct {
	// Of the client's stream.
	begun   bool
	expects *http.Request // whose body waits for a 100

	mu    sync.Mutex
	asked []*http.Request // that are not answered

	encrypted atomic.Bool
}

func (s *orientdb) Request(r *bufio.Reader) (Request, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Request{}, err
	}
	if !s.begun {
		s.encrypted.Store(first[0] == tlsHandshake)
	}
	s.begun = true
	if s.encrypted.Load() {
		return blind{}.Request(r)
	}
	m := httpMessage{r: r}
	q := s.expects
	if q == nil {
		if q, err = m.request(); err != nil {
			return Request{Bytes: m.Bytes()}, err
		}
		if q.ContentLength != 0 && strings.EqualFold(q.Header.Get("Expect"), "100-continue") {
			s.expects = q
			return Request{Bytes: m.Bytes()}, nil
		}
	}
	s.expects = nil
	if err := m.body(q.TransferEncoding, q.ContentLength); err != nil {
		return Request{Bytes: m.Bytes()}, err
	}
	s.mu.Lock()
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	return Request{Bytes: m.Bytes(), Write: changes(q, m.content), Asks: true}, nil
}

// changes reports whether a request makes the server write.
func changes(q *http.Request, body []byte) bool {
	// command/<database>/<language>/<text>, where what the body says goes before the text.
	// The server takes a command by GET too.
	path := strings.Split(strings.TrimPrefix(q.URL.Path, "/"), "/")
	if path[0] != "command" {
		switch q.Method {
		case http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch:
			return true
		}
		return false
	}
	if len(path) < 3 || !strings.EqualFold(path[2], "sql") {
		return len(path) >= 3 // a script, into which nobody looks
	}
	text := string(body)
	switch {
	case bytes.HasPrefix(body, []byte("{")):
		var content struct{ Command string }
		_ = json.Unmarshal(body, &content) // what is none has no command either
		text = content.Command
	case text == "" && len(path) > 3:
		text = path[3]
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' })
	return len(words) > 0 && orientdbWrites[strings.ToUpper(words[0])]
}

// orientdbWrites are the first words of what may write. What is missed here does not strike,
// as in redisWrites.
var orientdbWrites = map[string]bool{
	"INSERT": true, "UPDATE": true, "DELETE": true,
	"CREATE": true, "ALTER": true, "DROP": true, "TRUNCATE": true, "REBUILD": true,
}

func (s *orientdb) Reply(r *bufio.Reader) (Reply, error) {
	if _, err := r.Peek(1); err != nil {
		return Reply{}, err
	}
	if s.encrypted.Load() {
		return blind{}.Reply(r)
	}
	m := httpMessage{r: r}
	q := s.answers()
	a, err := m.response(q)
	if err != nil || a.StatusCode < 200 {
		return Reply{Bytes: m.Bytes()}, err
	}
	if a.Body != http.NoBody { // which it is for HEAD, 204 and 304, whatever the head says
		if err := m.body(a.TransferEncoding, a.ContentLength); err != nil {
			return Reply{Bytes: m.Bytes()}, err
		}
	}
	if q != nil {
		s.mu.Lock()
		s.asked = s.asked[1:]
		s.mu.Unlock()
	}
	return Reply{Bytes: m.Bytes(), Ends: q != nil, Error: fails(a.StatusCode, m.content)}, nil
}

// answers returns the request that is answered next, or nil.
func (s *orientdb) answers() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		return nil
	}
	return s.asked[0]
}

// fails reports whether a response is the server's error. Those that the best of clients
// meets in its daily work are none: a race that it lost, after which it sends the statement
// again, and a record that is there when it makes it.
func fails(status int, body []byte) bool {
	switch status {
	case http.StatusConflict:
		return false
	case http.StatusInternalServerError:
		return !bytes.Contains(body, []byte("ORecordDuplicatedException"))
	}
	return status >= 400
}
