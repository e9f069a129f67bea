package session_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
)

// framework is a writer as gin's: it can tell that the response has begun, and is what
// handlers get though the session handler gave them another.
type framework struct {
	http.ResponseWriter
	begun bool
}

func (w *framework) Written() bool { return w.begun }

func (w *framework) WriteHeader(code int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *framework) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// past serves a request whose handler uses its session, and then writes past the writer
// that it was given.
func (b *browser) past(f func(s *session.Session) error) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	below := &framework{ResponseWriter: w}
	b.serve(below, func(_ http.ResponseWriter, r *http.Request) {
		if err := f(load(b.t, r)); err != nil {
			b.t.Error(err)
		}
		fmt.Fprint(below, "page")
	})
	if w.Code != 200 || w.Body.String() != "page" {
		b.t.Errorf("status %d, %q: what had gone out already was added to", w.Code, w.Body)
	}
	return w
}

func TestBypassed(t *testing.T) {
	set := func(s *session.Session) error { return visits.Set(s, 5) }
	for what, c := range map[string]struct {
		known bool // the browser has a session already
		fault string
		do    func(s *session.Session) error
		want  []session.Kind
		after int // what another request finds
	}{
		"nothing was changed":         {true, "", func(s *session.Session) error { visits.Get(s); return nil }, nil, 1},
		"nothing is there":            {false, "", func(s *session.Session) error { visits.Get(s); return nil }, nil, 0},
		"a new session":               {false, "", set, []session.Kind{session.Bypassed}, 0},
		"a change needs no cookie":    {true, "", set, []session.Kind{session.Bypassed}, 5},
		"a login needs one":           {true, "", func(s *session.Session) error { return errors.Join(set(s), s.SetOwner("alice")) }, []session.Kind{session.Bypassed}, 1},
		"a renewal needs one":         {true, "", func(s *session.Session) error { return errors.Join(set(s), s.Renew(0)) }, []session.Kind{session.Bypassed}, 1},
		"a logout does without":       {true, "", func(s *session.Session) error { return s.Destroy() }, []session.Kind{session.Ended, session.Bypassed}, 0},
		"saved before":                {true, "", func(s *session.Session) error { return errors.Join(set(s), s.Save()) }, nil, 5},
		"and the save fails":          {true, faulty.Update, set, []session.Kind{session.Bypassed, session.SaveError}, 1},
		"not a session that is saved": {false, faulty.Create, set, []session.Kind{session.Bypassed}, 0},
	} {
		t.Run(what, func(t *testing.T) {
			st := newSite(t, session.Options{})
			b := st.browser()
			if c.known {
				b.visit()
			}
			st.told()
			undo := func() int { return 0 }
			if c.fault != "" {
				undo = st.store.Fail(faulty.Fault{Verb: c.fault})
			}
			b.past(c.do)
			if got := st.told(); !slices.Equal(got, c.want) {
				t.Errorf("events %v, want %v", got, c.want)
			}
			if struck := undo(); struck != 1 && c.fault == faulty.Update {
				t.Errorf("the fault struck %d times", struck)
			}
			b.use(func(s *session.Session) error {
				if n := visits.Get(s); n != c.after || s.Owner() != "" {
					t.Errorf("the next request finds %d of %q, want %d", n, s.Owner(), c.after)
				}
				return nil
			})
			if !c.known && st.sessions() != 0 {
				t.Error("a session is stored of which nobody has the id")
			}
		})
	}
}

// A framework that keeps to the writer it was given is not taken for one that does not.
func TestNotBypassed(t *testing.T) {
	st := newSite(t, session.Options{})
	w := httptest.NewRecorder()
	st.browser().serve(&framework{ResponseWriter: w}, func(w http.ResponseWriter, r *http.Request) {
		if err := visits.Set(load(t, r), 1); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "page")
	})
	if got := st.told(); !slices.Equal(got, []session.Kind{session.Created}) || w.Header().Get("Set-Cookie") == "" {
		t.Errorf("events %v, %v", got, w.Header())
	}
}

// SEC-27: who unwraps the writer, or asks for what is below it, has the session saved
// first all the same, and no page if that fails.
func TestSEC27UnwrappedWriter(t *testing.T) {
	for name, way := range ways {
		for _, failing := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " failing ", failing), func(t *testing.T) {
				st := newSite(t, session.Options{})
				undo := func() int { return 1 }
				if failing {
					undo = st.store.Fail(faulty.Fault{Verb: faulty.Create})
				}
				w := &wire{ResponseRecorder: httptest.NewRecorder(), st: st}
				st.browser().serve(w, func(w http.ResponseWriter, r *http.Request) {
					if err := visits.Set(load(t, r), 1); err != nil {
						t.Error(err)
					}
					way.leave(w.(interface{ Unwrap() http.ResponseWriter }).Unwrap(), r)
				})
				if undo() != 1 {
					t.Fatal("the fault did not strike once")
				}
				w.pass("")
				if failing {
					if w.Code != 503 || w.Header().Get("Set-Cookie") != "" || w.stored != 0 {
						t.Errorf("status %d, %v", w.Code, w.Header())
					}
				} else if w.first != way.first || w.stored != 1 || !w.cookie {
					t.Errorf("first %q with %d sessions stored and cookie %v; want %q, 1, true", w.first, w.stored, w.cookie, way.first)
				}
			})
		}
	}
}

// What the writer has not is found further below, through as many as there are.
func TestUnwrapLooksThrough(t *testing.T) {
	st := newSite(t, session.Options{})
	w := httptest.NewRecorder()
	found := false
	st.browser().serve(w, func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			if _, found = w.(*httptest.ResponseRecorder); found {
				break
			}
			w = w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		}
	})
	if !found {
		t.Error("the server's writer is not found")
	}
	if _, err := io.Copy(io.Discard, w.Body); err != nil {
		t.Error(err)
	}
}
