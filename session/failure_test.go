package session_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
)

// SEC-26: whatever a request is about when the store goes, before it or in it, the answer
// is 503 and the cookie stays; when the store is back, so is the session.
func TestSEC26OutageAndBack(t *testing.T) {
	for what, do := range map[string]func(s *session.Session) error{
		"read":     func(s *session.Session) error { visits.Get(s); return nil },
		"change":   func(s *session.Session) error { return visits.Set(s, 9) },
		"save":     func(s *session.Session) error { return errors.Join(visits.Set(s, 9), s.Save()) },
		"pop":      func(s *session.Session) error { _, err := visits.Pop(s); return err },
		"login":    func(s *session.Session) error { return s.SetOwner("mallory") },
		"renew":    func(s *session.Session) error { return s.Renew(0) },
		"grace":    func(s *session.Session) error { return s.Renew(1e9) },
		"remember": func(s *session.Session) error { return s.SetPersistent(true) },
		"logout":   func(s *session.Session) error { return s.Destroy() },
	} {
		for skip, when := range []string{"before the request", "after the session was loaded"} {
			st := newSite(t, session.Options{})
			b := st.browser()
			b.use(func(s *session.Session) error { return errors.Join(s.SetOwner("alice"), visits.Set(s, 1)) })
			cookie := b.cookie
			undo := st.store.Fail(faulty.Fault{Skip: skip})
			w := b.do(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.From(r.Context())
				if err == nil {
					err = do(s)
				}
				if err != nil {
					wantErr(t, what, err, faulty.ErrInjected)
					st.manager.Error(w, r, err)
					return
				}
				fmt.Fprint(w, "page")
			})
			struck := undo()
			if what == "read" && skip == 1 { // which needs nothing more
				if w.Code != 200 || struck != 0 {
					t.Errorf("%s, %s: status %d, %d faults", what, when, w.Code, struck)
				}
			} else if struck == 0 || w.Code != 503 || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") || strings.Contains(w.Body.String(), "page") {
				t.Errorf("%s, %s: %d faults, status %d, %v, %q", what, when, struck, w.Code, w.Header(), w.Body)
			}
			if w.Header().Get("Set-Cookie") != "" || b.cookie != cookie {
				t.Errorf("%s, %s: the cookie was touched", what, when)
			}
			b.use(func(s *session.Session) error {
				if s.Owner() != "alice" || visits.Get(s) != 1 {
					t.Errorf("%s, %s: the store is back, and the session is %q's with %d visits", what, when, s.Owner(), visits.Get(s))
				}
				return nil
			})
		}
	}
}

// An answer of the program's own to a store that is down is as little kept by a cache as
// ours, though the handler had said otherwise for its page.
func TestSEC26OwnAnswerIsNotKept(t *testing.T) {
	st := newSite(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(500) }})
	b := st.browser()
	b.visit()
	for what, fault := range map[string]faulty.Fault{"load": {}, "save": {Verb: faulty.Update}} {
		undo := st.store.Fail(fault)
		w := b.do(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=3600")
			s, err := session.From(r.Context())
			if err != nil {
				st.manager.Error(w, r, err)
				return
			}
			_ = visits.Set(s, 7)
		})
		if undo() == 0 || w.Code != 500 || !strings.Contains(fmt.Sprint(w.Header()["Cache-Control"]), "no-store") || w.Header().Get("Vary") != "Cookie" {
			t.Errorf("%s: status %d, %v", what, w.Code, w.Header())
		}
	}
}

// SEC-27: no way out of a handler shows a success when the session could not be saved, to
// a browser or to a script in the page.
func TestSEC27NoSuccessOverARealServer(t *testing.T) {
	unwrap := func(w http.ResponseWriter) http.ResponseWriter {
		return w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
	}
	ways := map[string]func(w http.ResponseWriter, r *http.Request){
		"htmx goes on": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("HX-Redirect", "/welcome")
			w.Header().Set("HX-Trigger", "loggedIn")
			w.Header()["Hx-Location"] = []string{"/welcome"}
			w.WriteHeader(204)
		},
		"refresh": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Refresh", "0; url=/welcome") },
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(http.TrailerPrefix+"X-Status", "ok")
			fmt.Fprint(w, "page")
		},
		"a controller's flush": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(unwrap(w)).Flush()
			fmt.Fprint(w, "page")
		},
		"below": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(unwrap(w), "page") },
		"1xx, then 2": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(102)
			w.WriteHeader(103)
			w.WriteHeader(201)
		},
		"a panic after the page": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "page")
			panic(http.ErrAbortHandler)
		},
		"a panic that is caught": func(w http.ResponseWriter, _ *http.Request) {
			defer func() { _ = recover(); fmt.Fprint(w, "page") }()
			panic("boom")
		},
		"a reader": func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("page"))
			wantErr(t, "ReadFrom", err, faulty.ErrInjected)
			_, err = io.Copy(w, strings.NewReader("page"))
			wantErr(t, "Copy", err, faulty.ErrInjected)
		},
		"a connection": func(w http.ResponseWriter, _ *http.Request) {
			for _, w := range []http.ResponseWriter{w, unwrap(w)} {
				if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\npage")
					_ = c.Close()
				}
			}
		},
	}
	for _, kind := range []faulty.Kind{faulty.Before, faulty.After} {
		for what, leave := range ways {
			st := newSite(t, session.Options{})
			h := st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/proto" {
					return
				}
				if err := visits.Set(load(t, r), 1); err != nil {
					t.Error(err)
				}
				leave(w, r)
			}))
			overServer(t, h, func(t *testing.T, c *http.Client, base string) {
				undo := st.store.Fail(faulty.Fault{Verb: faulty.Create, Kind: kind})
				res, err := c.Get(base)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || undo() != 1 || res.StatusCode != 503 || strings.Contains(string(body), "page") || !strings.HasPrefix(string(body), "The session cannot be reached") {
					t.Errorf("%s: status %d, %q, %v", what, res.StatusCode, body, err)
				}
				for _, name := range []string{"Set-Cookie", "Hx-Redirect", "Hx-Location", "Hx-Trigger", "Refresh", "Location"} {
					if v := res.Header.Get(name); v != "" {
						t.Errorf("%s: %s: %s", what, name, v)
					}
				}
				if len(res.Trailer) > 0 {
					t.Errorf("%s: trailers %v", what, res.Trailer)
				}
			})
		}
	}
}

// A panic that nobody catches saves nothing, and is no success either.
func TestSEC27PanicOverARealServer(t *testing.T) {
	st := newSite(t, session.Options{})
	h := st.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/proto" {
			_ = visits.Set(load(t, r), 1)
			panic("boom")
		}
	}))
	overServer(t, h, func(t *testing.T, c *http.Client, base string) {
		if res, err := c.Get(base); err == nil {
			_ = res.Body.Close()
			t.Errorf("it was answered with %s", res.Status)
		}
	})
	if n := st.store.Calls(""); n != 0 {
		t.Errorf("%d store calls", n)
	}
	// Around the handler it may be caught, and answered.
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if recover() == "boom" {
				http.Error(w, "oops", http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	}()
	if w.Code != 500 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
}
