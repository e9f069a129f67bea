package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

var visits = session.NewKey[int]("visits")

// requestRows compare a request through the session handler with the same request
// to the bare handler. Both are read from the same bytes as a server reads them,
// with the same cookie, and both answer with the same body.
func requestRows() []row {
	rows := []struct {
		what   string
		serve  func(w http.ResponseWriter, r *http.Request) error
		target target
	}{
		{"does not touch its session", func(w http.ResponseWriter, _ *http.Request) error {
			return answer(w, 1)
		}, target{1.1, 2}},
		{"reads one value", func(w http.ResponseWriter, r *http.Request) error {
			s, err := session.From(r.Context())
			if err != nil {
				return err
			}
			return answer(w, visits.Get(s))
		}, target{2.5, 20}},
		{"writes one value", func(w http.ResponseWriter, r *http.Request) error {
			s, err := session.From(r.Context())
			if err != nil {
				return err
			}
			n, err := visits.Update(s, func(n int) int { return n%1000 + 1 })
			if err != nil {
				return err
			}
			return answer(w, n)
		}, target{4, 35}},
	}
	var all []row
	for _, r := range rows {
		what := "request that " + r.what + " (memory)"
		all = append(all, row{what, func(cycles int) ([]line, error) {
			sessions, err := session.New(memory.New(nil), nil)
			if err != nil {
				return nil, err
			}
			ours := sessions.Handler(handler(r.serve))
			bare := handler(func(w http.ResponseWriter, _ *http.Request) error { return answer(w, 1) })
			raw, err := withSession(sessions)
			if err != nil {
				return nil, err
			}
			res := compare(comparison{goroutines: 1, allocates: true, ours: requests(ours, raw), limit: requests(bare, raw)}, cycles)
			return []line{res.line(what, r.target)}, nil
		}})
	}
	return all
}

type handler func(w http.ResponseWriter, r *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		panic(fmt.Sprint("request: ", err))
	}
}

func answer(w http.ResponseWriter, n int) error {
	_, err := fmt.Fprintf(w, "visit %d\n", n)
	return err
}

// withSession returns a request as it comes from a browser that has a session in
// which a value is stored.
func withSession(sessions *session.Manager) (string, error) {
	const head = "GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n"
	w := &discard{header: http.Header{}}
	serve(sessions.Handler(handler(func(_ http.ResponseWriter, r *http.Request) error {
		s, err := session.From(r.Context())
		if err != nil {
			return err
		}
		return visits.Set(s, 1)
	})), w, newReader(head+"\r\n"))
	cookie, _, ok := strings.Cut(w.header.Get("Set-Cookie"), ";")
	if !ok {
		return "", fmt.Errorf("no cookie was set: status %d", w.status)
	}
	return head + "Cookie: " + cookie + "\r\n\r\n", nil
}

// requests serves the same request n times.
func requests(h http.Handler, raw string) block {
	w := &discard{header: http.Header{}}
	in := strings.NewReader("")
	r := bufio.NewReader(in)
	return func(_, n int) {
		for range n {
			in.Reset(raw)
			r.Reset(in)
			clear(w.header)
			w.status = 0
			serve(h, w, r)
			if w.status != http.StatusOK {
				panic(fmt.Sprint("request: status ", w.status))
			}
		}
	}
}

func serve(h http.Handler, w *discard, in *bufio.Reader) {
	r, err := http.ReadRequest(in)
	if err != nil {
		panic(fmt.Sprint("request: ", err))
	}
	h.ServeHTTP(w, r)
}

func newReader(raw string) *bufio.Reader { return bufio.NewReader(strings.NewReader(raw)) }

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) {
	if d.status == 0 && status >= 200 {
		d.status = status
	}
}

func (d *discard) Write(b []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	return len(b), nil
}
