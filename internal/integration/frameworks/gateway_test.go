package frameworks_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coder "github.com/coder/websocket"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// proxyTo is a reverse proxy in front of a server.
func proxyTo(t *testing.T, srv *httptest.Server) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		Transport: srv.Client().Transport,
	}
}

// behind is a program behind a reverse proxy, which has the TLS and talks to the browsers.
func behind(t *testing.T, sessions *session.Manager) http.Handler {
	srv := httptest.NewServer(sockets(t, sessions))
	t.Cleanup(srv.Close)
	return proxyTo(t, srv)
}

// gateway has the sessions, and a reverse proxy inside of the manager: the backend is told
// what it is to say.
func gateway(t *testing.T, sessions *session.Manager) http.Handler {
	return gatewayTo(t, sessions, func(w http.ResponseWriter, r *http.Request) {
		text := r.Header.Get("X-Text")
		if r.Header.Get("Upgrade") != "" {
			conn, err := coder.Accept(w, r, nil)
			if err == nil {
				defer conn.CloseNow()
				_ = conn.Write(r.Context(), coder.MessageText, []byte(text))
			}
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "theirs", Value: "1"})
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = io.WriteString(w, text)
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, " and more")
		}
	})
}

func gatewayTo(t *testing.T, sessions *session.Manager, backend http.HandlerFunc) http.Handler {
	srv := httptest.NewServer(backend)
	t.Cleanup(srv.Close)
	proxy := proxyTo(t, srv)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		r.Header.Set("X-Text", words(s))
		proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /login", answer(login))
	mux.HandleFunc("POST /logout", answer(logout))
	return sessions.Handler(mux)
}

// The backend's headers and ours are both there. The proxy has no part in the sessions, and
// sends the backend all cookies.
func TestGatewayAddsToTheBackendsHeaders(t *testing.T) {
	x := newSite(t, gateway, http1)
	res, err := x.do(x.browser(), http.MethodGet, "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name)
	}
	slices.Sort(cookies)
	if !slices.Equal(cookies, []string{"__Host-Http-session", "theirs"}) {
		t.Errorf("the cookies are %q", cookies)
	}
	control := strings.Join(res.Header.Values("Cache-Control"), ", ")
	if !strings.Contains(control, "no-store") || !strings.Contains(control, "max-age=3600") {
		t.Errorf("Cache-Control is %q, want the backend's and no-store", control)
	}
	if vary := res.Header.Values("Vary"); !slices.Contains(vary, "Cookie") {
		t.Errorf("Vary is %q", vary)
	}

	sent := make(chan string, 2)
	x = newSite(t, func(t *testing.T, sessions *session.Manager) http.Handler {
		return gatewayTo(t, sessions, func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header.Get("Cookie")
			_, _ = io.WriteString(w, r.Header.Get("X-Text"))
		})
	}, http1)
	b := x.browser()
	x.wants(b, get("/"), says(1, ""))
	x.wants(b, get("/"), says(2, ""))
	if first, second := <-sent, <-sent; first != "" || !strings.HasSuffix(second, "="+x.cookie(b)) {
		t.Errorf("the backend was sent cookies of %d and %d bytes", len(first), len(second))
	}
}

// What the backend streams arrives while it is still at it; and when it breaks off in the
// middle, the client sees that too, and what was saved with the first byte stays saved.
func TestGatewayStreams(t *testing.T) {
	for _, protocol := range []bool{http1, http2} {
		next := make(chan struct{})
		x := newSite(t, func(t *testing.T, sessions *session.Manager) http.Handler {
			return gatewayTo(t, sessions, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.Header.Get("X-Text")+"\n")
				if r.URL.Path == "/stream" {
					_ = http.NewResponseController(w).Flush()
					<-next
					panic(http.ErrAbortHandler)
				}
			})
		}, protocol)
		b := x.browser()
		res, err := x.do(b, http.MethodGet, "/stream")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		if line, err := lines.ReadString('\n'); err != nil || line != says(1, "")+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
		close(next)
		if rest, err := io.ReadAll(lines); err == nil || len(rest) != 0 {
			t.Errorf("after the backend has broken off: %q, %v", rest, err)
		}
		x.wants(b, get("/"), says(2, ""))
	}
}

// TimeoutHandler belongs inside: a client that got its time-out has nothing saved, and the
// handler that goes on is told.
func TestTimeoutInside(t *testing.T) {
	release := make(chan struct{})
	ended := make(chan error, 1)
	x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", plain)
		mux.Handle("GET /slow", http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-release
			_, err := visit(context.WithoutCancel(r.Context()))
			ended <- err
		}), 1, "too slow"))
		return sessions.Handler(mux)
	}, http1)
	b := x.browser()
	x.wants(b, get("/"), says(1, ""))
	if text, err := get("/slow").ask(x, b); err != refused(http.StatusServiceUnavailable) || text != "too slow" {
		t.Errorf("%q, %v", text, err)
	}
	x.lateIsCommitted(func() { close(release) }, ended)
	x.wants(b, get("/"), says(2, ""))
}

// The other way round a client may get its time-out when the session is saved, and never
// the cookie: why it belongs inside.
func TestTimeoutOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := faulty.New(memory.New(nil))
		sessions, err := session.New(store, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := http.TimeoutHandler(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			plain(w, r)
			<-r.Context().Done()
		})), time.Minute, "too slow")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if n := store.Calls(faulty.Create); w.Code != http.StatusServiceUnavailable || n != 1 || len(w.Result().Cookies()) != 0 {
			t.Errorf("status %d, %d sessions were stored, %d cookies", w.Code, n, len(w.Result().Cookies()))
		}
	})
}
