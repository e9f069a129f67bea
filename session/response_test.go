package session_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// wire is a server's side of a connection that looks into the store when the first
// byte passes.
type wire struct {
	*httptest.ResponseRecorder
	st     *site
	first  string // what passed first
	stored int    // the sessions that were stored then
	cookie bool   // whether the header had a cookie then
}

func (w *wire) pass(what string) {
	if w.first == "" {
		w.first, w.stored, w.cookie = what, w.st.sessions(), w.Header().Get("Set-Cookie") != ""
	}
}

func (w *wire) WriteHeader(code int) {
	if code < 200 && code != http.StatusSwitchingProtocols {
		return // a recorder would take it for the last one
	}
	w.pass("WriteHeader")
	w.ResponseRecorder.WriteHeader(code)
}
func (w *wire) Write(b []byte) (int, error) { w.pass("Write"); return w.ResponseRecorder.Write(b) }
func (w *wire) Flush()                      { w.pass("Flush"); w.ResponseRecorder.Flush() }
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	w.pass("ReadFrom")
	return io.Copy(w.ResponseRecorder, r)
}

func (w *wire) WriteString(s string) (int, error) {
	w.pass("WriteString")
	return w.ResponseRecorder.WriteString(s)
}

func (w *wire) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.pass("Hijack")
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil, nil
}

// ways are the ways out of a handler, with what the server sees first.
var ways = map[string]struct {
	first string
	leave func(w http.ResponseWriter, r *http.Request)
}{
	"return":             {"", func(http.ResponseWriter, *http.Request) {}},
	"Write":              {"Write", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }},
	"WriteString":        {"WriteString", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }},
	"WriteHeader":        {"WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
	"1xx, then Write":    {"Write", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); _, _ = w.Write([]byte("x")) }},
	"101":                {"WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }},
	"redirect":           {"WriteHeader", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusSeeOther) }},
	"error":              {"WriteHeader", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) }},
	"Flush":              {"Flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }},
	"ResponseController": {"Flush", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }},
	"ReadFrom":           {"ReadFrom", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, onlyReader{strings.NewReader("x")}) }},
	"Hijack": {"Hijack", func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = c.Close()
		}
	}},
}

type onlyReader struct{ io.Reader }

func TestSavedBeforeTheFirstByte(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			st := newSite(t, session.Options{})
			w := &wire{ResponseRecorder: httptest.NewRecorder(), st: st}
			st.browser().serve(w, func(w http.ResponseWriter, r *http.Request) {
				if _, err := visits.Update(load(t, r), plus1); err != nil {
					t.Error(err)
				}
				way.leave(w, r)
			})
			w.pass("")
			if w.first != way.first || w.stored != 1 || !w.cookie {
				t.Errorf("first %q with %d sessions stored and cookie %v; want %q, 1, true", w.first, w.stored, w.cookie, way.first)
			}
		})
	}
}

// SEC-27: the client never sees success with a lost write.
func TestSEC27SaveThatFailsIsWhatTheClientSees(t *testing.T) {
	for name, way := range ways {
		for _, kind := range []faulty.Kind{faulty.Before, faulty.After} {
			t.Run(fmt.Sprint(name, " ", kind), func(t *testing.T) {
				st := newSite(t, session.Options{})
				undo := st.store.Fail(faulty.Fault{Kind: kind, Verb: faulty.Create})
				w := &wire{ResponseRecorder: httptest.NewRecorder(), st: st}
				st.browser().serve(w, func(w http.ResponseWriter, r *http.Request) {
					if _, err := visits.Update(load(t, r), plus1); err != nil {
						t.Error(err)
					}
					w.Header().Set("Content-Length", "1")
					w.Header().Set("Etag", `"x"`)
					way.leave(w, r)
					if name == "Write" {
						_, err := w.Write([]byte("more"))
						wantErr(t, "Write after the save failed", err, faulty.ErrInjected)
					}
				})
				if undo() != 1 {
					t.Fatal("the fault did not strike once")
				}
				h := w.Header()
				if w.Code != 503 || h.Get("Set-Cookie") != "" || h.Get("Location") != "" || h.Get("Etag") != "" || h.Get("Content-Length") != "" ||
					h.Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Body.String(), "The session cannot be reached") || strings.Contains(w.Body.String(), "xmore") {
					t.Errorf("status %d, headers %v, body %q", w.Code, h, w.Body)
				}
				if got := st.told(); len(got) != 1 || got[0] != session.SaveError {
					t.Errorf("events: %v", got)
				}
			})
		}
	}
}

func TestOnError(t *testing.T) {
	var got error
	st := newSite(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		w.WriteHeader(500)
	}})
	b := st.browser()
	b.visit()
	st.store.Fail(faulty.Fault{Verb: faulty.Update, Err: store.ErrFull})
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		_ = name.Set(load(t, r), "alice")
		fmt.Fprint(w, "hello")
	})
	wantErr(t, "OnError", got, store.ErrFull)
	if w.Code != 500 || w.Body.Len() > 0 {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
	st.manager.Error(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), store.ErrClosed)
	wantErr(t, "Error", got, store.ErrClosed)
}

func TestPanicSavesNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	defer func() {
		if r := recover(); r != "boom" {
			t.Errorf("recovered %v, want the handler's panic", r)
		}
		if n := st.store.Calls(""); n != 0 {
			t.Errorf("%d store calls", n)
		}
	}()
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		_ = visits.Set(load(t, r), 1)
		panic("boom")
	})
}

func TestAfterTheResponseHasBegun(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.do(func(w http.ResponseWriter, r *http.Request) {
		s := load(t, r)
		fmt.Fprint(w, "hello")
		if _, err := session.From(r.Context()); err != nil {
			t.Errorf("From again: %v", err)
		}
		if n := visits.Get(s); n != 1 {
			t.Errorf("reading: %d", n)
		}
		_, updated := visits.Update(s, plus1)
		_, popped := visits.Pop(s)
		for what, err := range map[string]error{
			"Set": visits.Set(s, 7), "Update": updated, "Pop": popped, "Delete": visits.Delete(s), "Destroy": s.Destroy(), "Save": s.Save(),
		} {
			wantErr(t, what, err, session.ErrCommitted)
		}
	})
	b.do(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
		_, err := session.From(r.Context())
		wantErr(t, "the first From", err, session.ErrCommitted)
	})
	if n := b.visit(); n != 2 {
		t.Errorf("visit %d, want 2", n)
	}
}

// A function of Update that panics when it runs again does so in Write: what
// recovers there must be able to answer.
func TestPanicInARepeatedUpdate(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	w := b.do(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			http.Error(w, "oops", 500)
		}()
		runs := 0
		_, _ = visits.Update(load(t, r), func(n int) int {
			if runs++; runs > 1 {
				panic("boom")
			}
			return n + 1
		})
		b.clone().visit()
		fmt.Fprint(w, "hello")
	})
	if w.Code != 500 || !strings.Contains(w.Body.String(), "oops") {
		t.Errorf("status %d, %q", w.Code, w.Body)
	}
	if n := b.visit(); n != 3 {
		t.Errorf("visit %d, want 3", n)
	}
}

func TestSEC12CacheHeadersAreOnlyMadeStricter(t *testing.T) {
	st := newSite(t, session.Options{})
	w := st.browser().do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		w.Header().Set("Cache-Control", "public, max-age=60")
		_ = visits.Set(load(t, r), 1)
	})
	if got := w.Header()["Vary"]; fmt.Sprint(got) != "[Accept Cookie]" {
		t.Errorf("Vary: %v", got)
	}
	if got := w.Header()["Cache-Control"]; fmt.Sprint(got) != "[public, max-age=60 no-store]" {
		t.Errorf("Cache-Control: %v", got)
	}
	w = st.browser().do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "accept, cookie")
		w.Header().Set("Cache-Control", "private, No-Store")
		_ = visits.Set(load(t, r), 1)
	})
	if v, c := w.Header()["Vary"], w.Header()["Cache-Control"]; len(v) != 1 || len(c) != 1 {
		t.Errorf("said twice: %v %v", v, c)
	}
	w = st.browser().do(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "*")
		w.Header().Set("Cache-Control", "private")
		_ = visits.Set(load(t, r), 1)
	})
	if v, c := w.Header()["Vary"], w.Header()["Cache-Control"]; len(v) != 1 || fmt.Sprint(c) != "[private no-store]" {
		t.Errorf("* is everything, and private is not no-store: %v %v", v, c)
	}
}

// What the server's writer cannot do is said as net/http says it.
func TestUnsupported(t *testing.T) {
	st := newSite(t, session.Options{})
	st.browser().do(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := w.(http.Hijacker).Hijack()
		wantErr(t, "Hijack", err, http.ErrNotSupported)
		if !errors.Is(http.NewResponseController(w).EnableFullDuplex(), http.ErrNotSupported) {
			t.Error("the controller does not look through")
		}
	})
}
