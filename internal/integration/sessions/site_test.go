package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

var (
	lineage = session.NewKey[string]("lineage") // what a session and its renewals have in common
	visits  = session.NewKey[int]("visits")
	flash   = session.NewKey[string]("flash")
)

// reply is what a site says of a request's session.
type reply struct {
	New     bool   // there was none
	Gone    bool   // it has ended meanwhile
	Over    bool   // ErrLimit
	Lineage string // before the request changed anything
	Owner   string // likewise
	Visits  int
	Err     string
}

// verbs are what the site does to a session. Those with an ! begin one where there is none.
var verbs = map[string]func(m *session.Manager, s *session.Session, r *http.Request) error{
	"read": func(*session.Manager, *session.Session, *http.Request) error { return nil },
	"begin!": func(_ *session.Manager, s *session.Session, r *http.Request) error {
		err := errors.Join(lineage.Set(s, r.FormValue("lineage")), flash.Set(s, "once"))
		if owner := r.FormValue("owner"); owner != "" {
			err = errors.Join(err, s.SetOwner(owner))
		}
		return err
	},
	"visit": func(_ *session.Manager, s *session.Session, _ *http.Request) error {
		_, err := visits.Update(s, func(n int) int { return n + 1 })
		return err
	},
	"pop": func(_ *session.Manager, s *session.Session, _ *http.Request) error {
		_, err := flash.Pop(s)
		return err
	},
	"renew": func(_ *session.Manager, s *session.Session, _ *http.Request) error { return s.Renew(0) },
	"grace": func(_ *session.Manager, s *session.Session, _ *http.Request) error { return s.Renew(time.Minute) },
	"login!": func(_ *session.Manager, s *session.Session, r *http.Request) error {
		return s.SetOwner(r.FormValue("owner"))
	},
	"logout!": func(_ *session.Manager, s *session.Session, _ *http.Request) error { return s.Destroy() },
	"end all!": func(m *session.Manager, _ *session.Session, r *http.Request) error {
		return m.EndAll(r.Context(), r.FormValue("owner"))
	},
	"end others": func(m *session.Manager, s *session.Session, r *http.Request) error {
		return m.EndOthers(r.Context(), s)
	},
}

// config is how a site's manager is made.
type config struct {
	Max session.MaxPerOwner
}

// handler serves the verbs. "touch" is read by a manager whose sessions live twice as
// long, so that each read of one that the other has written, or touched, touches it; and
// the other way round.
func handler(s store.Store, c config) (http.Handler, error) {
	opts := session.Options{Timeout: patience, Idle: 5 * time.Hour, MaxPerOwner: c.Max}
	m, err := session.New(s, &opts)
	if err != nil {
		return nil, err
	}
	opts.Idle *= 2
	longer, err := session.New(s, &opts)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/touch", longer.Handler(serve(longer, "read")))
	for verb := range verbs {
		mux.Handle("/"+strings.ReplaceAll(strings.Trim(verb, "!"), " ", "-"), m.Handler(serve(m, verb)))
	}
	return mux, nil
}

// serve does the verb to the session, a moment after it was loaded if the request says so.
func serve(m *session.Manager, verb string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			m.Error(w, r, err)
			return
		}
		if pause, err := time.ParseDuration(r.FormValue("pause")); err == nil {
			time.Sleep(pause) // so that the orders differ; nothing waits for it
		}
		a := reply{New: s.New(), Lineage: lineage.Get(s), Owner: s.Owner()}
		if !a.New || strings.HasSuffix(verb, "!") {
			err = verbs[verb](m, s, r)
			if err == nil {
				err = s.Save()
			}
		}
		a.Visits = visits.Get(s)
		switch {
		case errors.Is(err, session.ErrGone):
			a.Gone = true
		case errors.Is(err, session.ErrLimit):
			a.Over = true
		case err != nil:
			a.Err = err.Error()
		}
		_ = json.NewEncoder(w).Encode(a) // fails when the client has gone
	})
}

// site is a server of the handler.
type site struct {
	url string
	p   *peer.Process // nil for one in this process
}

// sites starts so many servers on the place: in processes of their own, or in this one on
// memory.
func (p *place) sites(t *testing.T, n int, c config) (all []*site) {
	t.Helper()
	for range n {
		all = append(all, p.site(t, c))
	}
	return all
}

func (p *place) site(t *testing.T, c config) *site {
	t.Helper()
	if p.url == "" {
		h, err := handler(p.store, c)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return &site{url: srv.URL}
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	process, err := peer.Begin(t.Context(), "serve", p.url, string(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Kill() })
	var addr string
	if _, err := fmt.Fscanln(process.Out, &addr); err != nil {
		t.Fatalf("%v: %v", err, process.Wait())
	}
	return &site{url: "http://" + addr, p: process}
}

// page is a server in this process, of a page that does f to its session.
func page(t *testing.T, s store.Store, opts session.Options, f func(s *session.Session) error) *httptest.Server {
	t.Helper()
	m, err := session.New(s, &opts)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = f(s)
		}
		if err != nil {
			m.Error(w, r, err)
		}
	})))
	t.Cleanup(srv.Close)
	return srv
}

// serveInProcess serves the handler on the store args[0] until it is killed.
func serveInProcess(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	s, err := openPeer(ctx, args[0])
	if err != nil {
		return err
	}
	defer store.Close(s)
	var c config
	if err := json.Unmarshal([]byte(args[1]), &c); err != nil {
		return err
	}
	h, err := handler(s, c)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	fmt.Fprintln(out, l.Addr())
	if err := http.Serve(l, h); ctx.Err() == nil {
		return err
	}
	return nil
}
