package session_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// overServer has f run over a real server of each protocol.
func overServer(t *testing.T, h http.Handler, f func(t *testing.T, c *http.Client, url string)) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(h)
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.EnableHTTP2 = proto == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()
			c := srv.Client()
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res, err := c.Get(srv.URL + "/proto")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.Proto != proto {
				t.Fatalf("%s, want %s", res.Proto, proto)
			}
			f(t, c, srv.URL)
		})
	}
}

// exits are handlers of net/http and of its users, that do not know of sessions.
func exits(t *testing.T) http.Handler {
	file := filepath.Join(t.TempDir(), "page.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("0123456789", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "from upstream")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "1")
	}))
	t.Cleanup(upstream.Close)
	up, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/write", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })
	mux.HandleFunc("/length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "0123456789")
	})
	mux.HandleFunc("/twice", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(500)
		fmt.Fprint(w, "x")
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		for i := range 3 {
			if rc.Flush() != nil {
				return
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
		}
	})
	mux.HandleFunc("/deadline", func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.SetReadDeadline(time.Now().Add(time.Minute)), rc.SetWriteDeadline(time.Now().Add(time.Minute)), rc.EnableFullDuplex()); err != nil && !errors.Is(err, http.ErrNotSupported) {
			t.Error(err)
		}
		fmt.Fprint(w, "x")
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(103)
		w.WriteHeader(103)
		fmt.Fprint(w, "x")
	})
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) { // 100 Continue goes out when it is read
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "x")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	mux.Handle("/proxy", httputil.NewSingleHostReverseProxy(up))
	mux.Handle("/timeout", http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), 10*time.Millisecond, "too late"))
	mux.Handle("/in-time", http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }), time.Minute, ""))
	mux.Handle("/gzip", compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "0123456789") })))
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/write", http.StatusSeeOther) })
	mux.HandleFunc("/204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

// compress is what many programs have: it says so before it knows what comes.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		next.ServeHTTP(zipped{w, z}, r)
	})
}

type zipped struct {
	http.ResponseWriter
	z io.Writer
}

func (w zipped) Write(b []byte) (int, error) { return w.z.Write(b) }

// SEC-27, over a real server: whatever the way out, the session is stored when the
// client has the first byte, and a save that fails is a 503 that can be read.
func TestEveryWayOutOfARealServer(t *testing.T) {
	ways := map[string]struct {
		header http.Header
		body   string
		status int
		want   string // a prefix of the body
	}{
		"GET /nothing": {status: 200}, "GET /write": {status: 200, want: "0123456789"}, "HEAD /write": {status: 200},
		"GET /length": {status: 200, want: "0123456789"}, "GET /twice": {status: 201, want: "x"}, "GET /events": {status: 200, want: "data: 0\n\ndata: 1\n\ndata: 2\n\n"},
		"GET /deadline": {status: 200, want: "x"}, "GET /hints": {status: 200, want: "x"},
		"POST /body": {status: 200, header: http.Header{"Expect": {"100-continue"}}, body: "hello", want: "hello"},
		"GET /file":  {status: 200, want: "0123456789"}, "HEAD /file": {status: 200},
		"GET /file range":     {status: 206, header: http.Header{"Range": {"bytes=5-7"}}, want: "567"},
		"GET /file bad":       {status: 416, header: http.Header{"Range": {"bytes=50000-"}}, want: "invalid range"},
		"GET /file unchanged": {status: 304, header: http.Header{"If-Modified-Since": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}},
		"GET /trailer":        {status: 200, want: "x"}, "GET /proxy": {status: 200, want: "from upstream"}, "GET /timeout": {status: 503, want: "too late"},
		"GET /in-time": {status: 200, want: "x"}, "GET /gzip": {status: 200, want: "0123456789"}, "GET /redirect": {status: 303}, "GET /204": {status: 204}, "GET /304": {status: 304},
	}
	inner := exits(t)
	for _, outside := range []string{"", "compressed", "buffered"} {
		for _, failing := range []bool{false, true} {
			st := newSite(t, session.Options{})
			h := st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/proto" {
					if err := visits.Set(load(t, r), 1); err != nil {
						t.Error(err)
					}
				}
				inner.ServeHTTP(w, r)
			}))
			switch outside {
			case "compressed":
				h = compress(h)
			case "buffered":
				h = http.TimeoutHandler(h, time.Minute, "")
			}
			overServer(t, h, func(t *testing.T, c *http.Client, base string) {
				for what, way := range ways {
					part := strings.Fields(what)
					if outside != "" && (part[0] == "HEAD" || way.header.Get("Range") != "" || way.status == 204 || way.status == 304 ||
						slices.Contains([]string{"/gzip", "/events", "/deadline", "/length", "/proxy", "/hints"}, part[1])) {
						continue // what those outside hide, compress twice, or break themselves
					}
					r, err := http.NewRequestWithContext(t.Context(), part[0], base+part[1], strings.NewReader(way.body))
					if err != nil {
						t.Fatal(err)
					}
					for k, v := range way.header {
						r.Header[k] = v
					}
					if err := store.Clear(ctx, st.store); err != nil {
						t.Fatal(err)
					}
					undo := func() int { return 0 }
					if failing {
						undo = st.store.Fail(faulty.Fault{Verb: faulty.Create})
					}
					stored := -1
					r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
						Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
							if h.Get("Set-Cookie") != "" {
								t.Errorf("%s: a cookie on the %d", what, code)
							}
							return nil
						},
						GotFirstResponseByte: func() {
							if !strings.Contains(what, "hints") && !strings.Contains(what, "body") && !strings.Contains(what, "proxy") {
								stored = st.sessions()
							}
						},
					}))
					res, err := c.Do(r)
					if err != nil {
						t.Errorf("%s: %v", what, err)
						continue
					}
					now := st.sessions()
					body, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if err != nil {
						t.Errorf("%s: body: %v", what, err)
					}
					if enc := res.Header.Get("Content-Encoding"); enc != "" {
						t.Errorf("%s: Content-Encoding %q, though the client would have decoded it", what, enc)
					}
					struck := undo()
					if failing {
						if struck != 1 || res.StatusCode != 503 || res.Header.Get("Set-Cookie") != "" || part[0] != "HEAD" && !strings.HasPrefix(string(body), "The session cannot be reached at the moment. Please try again.\n") {
							t.Errorf("%s, %q outside: %d faults, status %d, %v, %q", what, outside, struck, res.StatusCode, res.Header, body)
						}
						continue
					}
					if now != 1 || stored == 0 || res.StatusCode != way.status || res.Header.Get("Set-Cookie") == "" || res.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(string(body), way.want) {
						t.Errorf("%s, %q outside: %d sessions (%d at the first byte), status %d, %v, %.50q", what, outside, now, stored, res.StatusCode, res.Header, body)
					}
				}
			})
		}
	}
}

// What the session handler wraps does not lose what a server's writer can.
func TestTrailersAndHintsPass(t *testing.T) {
	st := newSite(t, session.Options{})
	inner := exits(t)
	overServer(t, st.manager.Handler(inner), func(t *testing.T, c *http.Client, base string) {
		hints := 0
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == 103 && h.Get("Link") != "" {
				hints++
			}
			return nil
		}}), "GET", base+"/hints", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if hints != 2 {
			t.Errorf("%d early hints, want 2", hints)
		}
		if res, err = c.Get(base + "/trailer"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.Trailer.Get("X-Sum") != "1" || res.Trailer.Get("X-Late") != "2" {
			t.Errorf("trailers: %v", res.Trailer)
		}
		if res, err = c.Get(base + "/abort"); err == nil {
			_ = res.Body.Close()
			t.Errorf("a handler that aborts was answered with %s", res.Status)
		}
	})
}

// A websocket's 101 carries the cookie, written by hand or by a proxy.
func TestUpgrade(t *testing.T) {
	upgrade := func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "echo")
		w.WriteHeader(101)
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // the save failed
		}
		defer c.Close()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	}
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard) // the proxy's word on a hijack that failed
	upstream := httptest.NewServer(http.HandlerFunc(upgrade))
	defer upstream.Close()
	up, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	for what, h := range map[string]http.Handler{"by hand": http.HandlerFunc(upgrade), "proxy": httputil.NewSingleHostReverseProxy(up)} {
		st := newSite(t, session.Options{})
		srv := httptest.NewServer(st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = visits.Set(load(t, r), 1)
			h.ServeHTTP(w, r)
		})))
		for _, failing := range []bool{false, true} {
			if failing {
				st.store.Fail(faulty.Fault{Verb: faulty.Create})
			}
			c, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			rd := bufio.NewReader(c)
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			if failing {
				if res.StatusCode != 503 || res.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s, save fails: %s, %v", what, res.Status, res.Header)
				}
			} else {
				fmt.Fprint(c, "hello\n")
				line, _ := rd.ReadString('\n')
				if res.StatusCode != 101 || res.Header.Get("Set-Cookie") == "" || line != "hello\n" {
					t.Errorf("%s: %s, %v, %q", what, res.Status, res.Header, line)
				}
			}
			_ = c.Close()
		}
		srv.Close()
	}
}

// gin's c.Stream panics without it.
func TestCloseNotify(t *testing.T) {
	st := newSite(t, session.Options{})
	began, told := make(chan bool), make(chan bool, 1)
	h := st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		gone := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		close(began)
		told <- <-gone
	}))
	srv := httptest.NewServer(h)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(r); err == nil {
		_ = res.Body.Close()
	}
	if !<-told {
		t.Error("it was not told")
	}

	// A writer that cannot tell: the context does.
	began, told = make(chan bool), make(chan bool, 1)
	gone, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, "GET", "/", nil))
	if !<-told {
		t.Error("it was not told by the context")
	}
}

// Hostile requests as they come from a socket: each is answered, none is a session,
// and the server stays.
func TestHostileRequests(t *testing.T) {
	st := newSite(t, session.Options{})
	var logged bytes.Buffer
	srv := httptest.NewUnstartedServer(st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := visits.Update(load(t, r), plus1)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "visit %d", n)
	})))
	srv.Config.ErrorLog = log.New(&logged, "", 0)
	srv.Start()
	b := st.browser()
	b.visit()
	id, own := b.value(), b.cookie
	send := func(raw string) (status int, body string) {
		t.Helper()
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(c, raw)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%.80q: %v", raw, err)
		}
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	const get = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for _, good := range []string{
		get + "Cookie: " + own + "\r\n\r\n", get + "cookie: " + own + "\r\n\r\n", get + "COOKIE:" + own + "\r\n\r\n",
		"GET / HTTP/1.0\r\nCookie: " + own + "\r\n\r\n", get + "Cookie: $Version=1; " + own + "; $Path=/\r\n\r\n",
		get + "Cookie: a=\x80\xff; " + own + "\r\n\r\n", get + "Cookie: a=1\r\nCookie: " + own + "\r\n\r\n", get + "Cookie: ;;;" + own + ";\r\n\r\n", get + "Cookie: a=\"x; " + own + "\r\n\r\n",
	} {
		before := b.visit()
		if status, body := send(good); status != 200 || body != fmt.Sprint("visit ", before+1) {
			t.Errorf("%q: %d %q", good, status, body)
		}
	}
	for _, bad := range []string{
		get + "Cookie: " + own + "; " + own + "\r\n\r\n", get + "Cookie: " + own + "\r\ncookie: " + own + "\r\n\r\n", get + "Cookie: " + own + ";" + cookieName + " =x\r\n\r\n",
		get + "Cookie: a=1, " + own + "\r\n\r\n", get + "Cookie: " + cookieName + "=\"" + id + "\"\r\n\r\n", get + "Cookie: " + strings.ToUpper(own) + "\r\n\r\n",
		get + "Cookie: " + cookieName + "\u00a0=" + id + "\r\n\r\n", get + "Cookie: \u2000" + own + "\r\n\r\n", get + "Cookie: " + cookieName + "=" + id + "\x80\r\n\r\n",
		get + "Cookie: " + cookieName + ":" + id + "\r\n\r\n", get + "Cookie: " + cookieName + "=%" + id + "\r\n\r\n", get + "Set-Cookie: " + own + "\r\n\r\n",
		"GET /?" + own + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", get + "Cookie: " + own + "x\r\n\r\n", get + "X: y\r\n Cookie: " + own + "\r\n\r\n",
	} {
		if status, body := send(bad); status != 200 || body != "visit 1" {
			t.Errorf("%q: %d %q", bad, status, body)
		}
	}
	for _, refused := range []string{
		get + "Cookie: " + own + "\x00\r\n\r\n", get + "Cookie: " + cookieName + "=" + strings.Repeat("x", 2<<20) + "\r\n\r\n", get + "Cookie : " + own + "\r\n\r\n",
	} {
		if status, _ := send(refused); status != 400 && status != 431 {
			t.Errorf("%.80q: %d", refused, status)
		}
	}
	srv.Close()
	if strings.Contains(logged.String(), id) || strings.Contains(logged.String(), "panic") {
		t.Errorf("logged: %s", &logged)
	}
}
