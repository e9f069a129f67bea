package frameworks_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/sojourn-go/sojourn/session"
)

var upgrader gorilla.Upgrader

// gorillaSocket sends one message. The header of the 101 is what Upgrade is given, and
// the cookie must be in it.
func gorillaSocket(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, err := upgrader.Upgrade(w, r, w.Header())
	if err != nil {
		return // it was answered
	}
	defer conn.Close()
	_ = conn.WriteMessage(gorilla.TextMessage, []byte(text))
}

func coderSocket(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, err := coder.Accept(w, r, nil)
	if err != nil {
		return // it was answered
	}
	defer conn.CloseNow()
	_ = conn.Write(r.Context(), coder.MessageText, []byte(text))
}

func sockets(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /gorilla", gorillaSocket)
	mux.HandleFunc("GET /coder", coderSocket)
	mux.HandleFunc("GET /", plain)
	mux.HandleFunc("POST /login", answer(login))
	mux.HandleFunc("POST /logout", answer(logout))
	return sessions.Handler(mux)
}

// message opens a socket with the browser's cookies, keeps those of the 101, and returns
// the first message.
func (x *site) message(b *http.Client, path string) string {
	x.t.Helper()
	conn, res, err := coder.Dial(x.t.Context(), "wss"+strings.TrimPrefix(x.srv.URL, "https")+path, &coder.DialOptions{HTTPClient: b})
	if err != nil {
		x.t.Fatal(err)
	}
	defer conn.CloseNow()
	if res.StatusCode != http.StatusSwitchingProtocols {
		x.t.Errorf("%s: status %d", path, res.StatusCode)
	}
	_, text, err := conn.Read(x.t.Context())
	if err != nil {
		x.t.Error(err)
	}
	return string(text)
}

func TestWebsockets(t *testing.T) {
	x := newSite(t, sockets)
	x.sockets("/gorilla", "/coder")
	x.story("/")
}

func (x *site) sockets(paths ...string) {
	x.t.Helper()
	for _, path := range paths {
		b := x.browser()
		if got := x.message(b, path); got != `visit 1 of ""` || x.cookie(b) == "" {
			x.t.Errorf("%s: %q, and the cookie on the 101 is %d bytes", path, got, len(x.cookie(b)))
		}
		x.ask(b, http.MethodPost, "/login")
		if got := x.message(b, path); got != `visit 2 of "alice"` {
			x.t.Errorf("%s after the login: %q", path, got)
		}
		stolen := x.copied(b)
		x.ask(b, http.MethodPost, "/logout")
		if got := x.message(stolen, path); got != `visit 1 of ""` {
			x.t.Errorf("%s after the logout: %q", path, got)
		}
	}
}

// A reverse proxy behind the manager (a gateway): the backend's cookies and ours arrive,
// and so does what it streams or upgrades.
func TestGateway(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "theirs", Value: "1"})
		if r.Header.Get("Upgrade") != "" {
			conn, err := coder.Accept(w, r, nil)
			if err == nil {
				defer conn.CloseNow()
				_ = conn.Write(r.Context(), coder.MessageText, []byte(r.Header.Get("X-Text")))
			}
			return
		}
		_, _ = w.Write([]byte(r.Header.Get("X-Text")))
	}))
	defer backend.Close()
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			text, err := visit(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			r.Header.Set("X-Text", text)
			proxy.ServeHTTP(w, r)
		})
		mux.HandleFunc("POST /login", answer(login))
		mux.HandleFunc("POST /logout", answer(logout))
		return sessions.Handler(mux)
	})
	b := x.browser()
	x.wants(b, "/", `visit 1 of ""`)
	u, _ := url.Parse(x.srv.URL)
	if n := len(b.Jar.Cookies(u)); n != 2 {
		t.Errorf("%d cookies, want the backend's and ours", n)
	}
	if got := x.message(b, "/"); got != `visit 2 of ""` {
		t.Errorf("the socket through the proxy: %q", got)
	}
}

// The program behind a reverse proxy, which the browsers talk to.
func TestBehindAProxy(t *testing.T) {
	x := newSite(t, sockets)
	target, err := url.Parse(x.srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() }, Transport: x.srv.Client().Transport}
	front := httptest.NewTLSServer(proxy)
	defer front.Close()
	behind := x.srv
	x.srv = front
	defer func() { x.srv = behind }()
	x.story("/")
	x.sockets("/gorilla", "/coder")
}

// TimeoutHandler belongs inside: a client that got its time-out has nothing saved.
func TestTimeoutInside(t *testing.T) {
	release := make(chan struct{})
	ended := make(chan error, 1)
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", plain)
		mux.Handle("GET /slow", http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			<-release
			_, err := visit(context.WithoutCancel(r.Context()))
			ended <- err
		}), 1, "too slow"))
		return sessions.Handler(mux)
	})
	b := x.browser()
	x.wants(b, "/", `visit 1 of ""`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.srv.URL+"/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Do(r)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	close(release)
	if err := <-ended; err == nil {
		t.Error("the handler that was given up has changed the session")
	}
	x.wants(b, "/", `visit 2 of ""`)
}
