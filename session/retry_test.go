package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// A save may have been made though it failed. What the request has changed is then
// not saved a second time, neither when it asks again nor when the response begins.
func TestSaveOfUnknownOutcomeIsNotRepeated(t *testing.T) {
	for _, kind := range []faulty.Kind{faulty.Before, faulty.After} {
		for _, cause := range []error{store.ErrUnknown, context.DeadlineExceeded, faulty.ErrInjected} {
			for _, again := range []bool{false, true} {
				t.Run(fmt.Sprint(kind, cause, again), func(t *testing.T) {
					st := newSite(t, session.Options{})
					b := st.browser()
					b.visit()
					before := b.cookie
					undo := st.store.Fail(faulty.Fault{Kind: kind, Verb: faulty.Update, Err: cause, Times: 1})
					w := b.do(func(w http.ResponseWriter, r *http.Request) {
						s := load(t, r)
						_, _ = visits.Update(s, plus1)
						wantErr(t, "Save", s.Save(), cause)
						if again {
							wantErr(t, "Save again", s.Save(), cause)
							wantErr(t, "Set", name.Set(s, "alice"), cause)
						}
						fmt.Fprint(w, "hello")
					})
					if undo() != 1 || w.Code != 503 || b.cookie != before {
						t.Errorf("status %d, the cookie changed: %v", w.Code, b.cookie != before)
					}
					want := 2
					if kind == faulty.After {
						want = 3
					}
					if n := b.visit(); n != want {
						t.Errorf("visit %d, want %d", n, want)
					}
				})
			}
		}
	}
}

// A store that says for sure that nothing was written may be asked again.
func TestSaveThatSurelyFailedMayBeRepeated(t *testing.T) {
	for _, cause := range []error{store.ErrTooLarge, store.ErrFull} {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		st.store.Fail(faulty.Fault{Verb: faulty.Update, Err: cause, Times: 1})
		w := b.use(func(s *session.Session) error {
			_, _ = visits.Update(s, plus1)
			_ = name.Set(s, "a long one")
			wantErr(t, "Save", s.Save(), cause)
			return name.Delete(s)
		})
		if w.Code != 200 {
			t.Errorf("%v: status %d", cause, w.Code)
		}
		if n := b.visit(); n != 3 {
			t.Errorf("%v: visit %d, want 3", cause, n)
		}
	}
}

// Who logs out is logged out, whatever became of the request's changes.
func TestDestroyAfterASaveThatFailed(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	st.store.Fail(faulty.Fault{Kind: faulty.After, Verb: faulty.Update, Times: 1})
	w := b.use(func(s *session.Session) error {
		_, _ = visits.Update(s, plus1)
		wantErr(t, "Save", s.Save(), faulty.ErrInjected)
		return errors.Join(s.Destroy(), name.Set(s, "bye"))
	})
	if w.Code != 200 || st.sessions() != 1 || b.visit() != 1 {
		t.Errorf("status %d, %d sessions", w.Code, st.sessions())
	}
}

// REL-17: a store that is slow holds the request once, not again for the response.
func TestSaveThatTimesOutIsNotWaitedForTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		start := time.Now()
		w := b.do(func(w http.ResponseWriter, r *http.Request) {
			s := load(t, r)
			st.store.Fail(faulty.Fault{Kind: faulty.Delay, Delay: 5 * time.Second})
			_, _ = visits.Update(s, plus1)
			wantErr(t, "Save", s.Save(), context.DeadlineExceeded)
			http.Error(w, "sorry", 500)
		})
		if took := time.Since(start); took != 2*time.Second || w.Code != 503 {
			t.Errorf("status %d after %v", w.Code, took)
		}
	})
}

// A function of Update that fails, or panics, when it runs again must not leave the
// changes half made: what others wrote would be lost when the rest is saved.
func TestUpdateThatFailsWhenRepeated(t *testing.T) {
	bad := session.NewKey[any]("bad")
	for _, panics := range []bool{false, true} {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		b.do(func(w http.ResponseWriter, r *http.Request) {
			s := load(t, r)
			runs := 0
			_, err1 := visits.Update(s, plus1)
			_, err2 := bad.Update(s, func(any) any {
				if runs++; runs == 1 {
					return "fine"
				}
				if panics {
					panic("boom")
				}
				return func() {}
			})
			if err := errors.Join(err1, err2); err != nil {
				t.Error(err)
			}
			b.clone().visit()
			func() {
				defer func() { _ = recover() }()
				if s.Save() == nil {
					t.Error("it was saved")
				}
			}()
			if n := visits.Get(s); n != 2 {
				t.Errorf("after the save that failed the session holds %d, want 2 as before it", n)
			}
			if err := bad.Set(s, "fine"); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, "hello")
		})
		if n := b.visit(); n != 4 {
			t.Errorf("panics %v: visit %d, want 4", panics, n)
		}
	}
}

// The function of Update may look at the session, also when it runs again.
func TestUpdateMayAskForTheSession(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error { return name.Set(s, "alice") })
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.do(func(w http.ResponseWriter, r *http.Request) {
			_, err := visits.Update(load(t, r), func(n int) int { return n + len(name.Get(load(t, r))) })
			if err != nil {
				t.Error(err)
			}
			b.clone().visit()
			fmt.Fprint(w, "hello")
		})
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for itself")
	}
	if n := b.visit(); n != 1+5+1 {
		t.Errorf("visit %d, want 7", n)
	}
}

// A session that was stored and ended within one request hands out no cookie.
func TestNoCookieForASessionThatHasEnded(t *testing.T) {
	st := newSite(t, session.Options{})
	w := st.browser().use(func(s *session.Session) error {
		return errors.Join(visits.Set(s, 1), s.Save(), store.Clear(ctx, st.store), visits.Set(s, 2))
	})
	if got := w.Header().Get("Set-Cookie"); got != "" || st.sessions() != 0 {
		t.Errorf("Set-Cookie: %q, %d sessions", got, st.sessions())
	}
}

// An error handler that forgets the status must not make a lost write a success.
func TestOnErrorNeverLooksLikeSuccess(t *testing.T) {
	for what, answer := range map[string]func(w http.ResponseWriter){
		"nothing": func(http.ResponseWriter) {},
		"Write":   func(w http.ResponseWriter) { fmt.Fprint(w, "sorry") },
		"Flush":   func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	} {
		st := newSite(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, _ error) { answer(w) }})
		st.store.Fail(faulty.Fault{Verb: faulty.Create})
		w := st.browser().do(func(w http.ResponseWriter, r *http.Request) {
			_ = visits.Set(load(t, r), 1)
			fmt.Fprint(w, "hello")
		})
		if w.Code != 503 {
			t.Errorf("%s: status %d", what, w.Code)
		}
		w = httptest.NewRecorder()
		st.manager.Error(w, httptest.NewRequest("GET", "/", nil), store.ErrFull)
		if w.Code != 503 {
			t.Errorf("%s, by Error: status %d", what, w.Code)
		}
	}
}

// A session that a first save has stored is the browser's, though a later save fails.
func TestCookieOfASessionWhoseLaterSaveFails(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	w := b.use(func(s *session.Session) error {
		err := errors.Join(visits.Set(s, 1), s.Save(), visits.Set(s, 2))
		st.store.Fail(faulty.Fault{Verb: faulty.Update, Times: 1})
		return err
	})
	if n := b.visit(); w.Code != 503 || n != 2 {
		t.Errorf("status %d, visit %d", w.Code, n)
	}
}

// Of two that pop at once the second finds nothing, and writes nothing.
func TestPopThatComesLateWritesNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error { return errors.Join(name.Set(s, "x"), visits.Set(s, 1)) })
	b.use(func(s *session.Session) error {
		b.clone().use(func(s *session.Session) error { _, err := name.Pop(s); return err })
		before := st.store.Calls(faulty.Update)
		v, err := name.Pop(s)
		if n := st.store.Calls(faulty.Update) - before; v != "" || n != 1 {
			t.Errorf("popped %q with %d updates, want the one that met the conflict", v, n)
		}
		return err
	})
}

// Nothing of the handler's goes out after the answer to a save that failed.
func TestNothingAfterTheAnswer(t *testing.T) {
	st := newSite(t, session.Options{})
	st.store.Fail(faulty.Fault{Verb: faulty.Create})
	w := &codes{ResponseRecorder: httptest.NewRecorder()}
	st.browser().serve(w, func(w http.ResponseWriter, r *http.Request) {
		_ = visits.Set(load(t, r), 1)
		for _, code := range []int{200, 103, 101, 404} {
			w.WriteHeader(code)
		}
	})
	if fmt.Sprint(w.codes) != "[503]" {
		t.Errorf("went out: %v", w.codes)
	}
}

// An informational response is no answer.
func TestOnErrorThatOnlyHints(t *testing.T) {
	st := newSite(t, session.Options{OnError: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(103) }})
	w := &codes{ResponseRecorder: httptest.NewRecorder()}
	st.manager.Error(w, httptest.NewRequest("GET", "/", nil), store.ErrFull)
	if fmt.Sprint(w.codes) != "[103 503]" {
		t.Errorf("went out: %v", w.codes)
	}
}

type codes struct {
	*httptest.ResponseRecorder
	codes []int
}

func (w *codes) WriteHeader(code int) {
	w.codes = append(w.codes, code)
	w.ResponseRecorder.WriteHeader(code)
}

// A handler that panics with the error of its write, as huma does, does not cut off the
// answer to the save that failed; a panic of its own goes on.
func TestPanicOfAFailedWrite(t *testing.T) {
	st := newSite(t, session.Options{})
	undo := st.store.Fail(faulty.Fault{Verb: faulty.Create})
	b := st.browser()
	for _, own := range []bool{false, true} {
		func() {
			defer func() {
				if p := recover(); (p == "own") != own {
					t.Errorf("the panic that goes on is %v", p)
				}
			}()
			w := b.do(func(w http.ResponseWriter, r *http.Request) {
				_ = visits.Set(load(t, r), 1)
				_, err := w.Write([]byte("page"))
				if own {
					panic("own")
				}
				panic(fmt.Errorf("write: %w", err))
			})
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
		}()
	}
	if undo() != 2 {
		t.Error("the fault did not strike")
	}
}
