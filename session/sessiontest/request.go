package sessiontest

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sojourn-go/sojourn/session"
)

// Request returns r with a session in its context, for a handler that is called by
// itself. The session is stored, and f has set its values and owner; a nil f leaves it
// new and empty.
//
// What the handler does to it can be seen by [session.From] of the same context
// afterwards. It is saved by [session.Session.Save] only, since nobody sees the
// response; [Client] is for whole handlers.
//
// Like [httptest.NewRequest] it panics when something is wrong: the error of f, or of
// the store.
func Request(m *session.Manager, r *http.Request, f func(s *session.Session) error) (with *http.Request) {
	c := NewClient(nil)
	if f != nil {
		if err := c.Use(m, f); err != nil {
			panic(fmt.Sprintf("sessiontest: Request: %v", err))
		}
	}
	// A handler that panics leaves its session as it is: neither saved nor closed.
	defer func() {
		if p := recover(); p != nil && p != aborted {
			panic(p)
		}
	}()
	c.send(r)
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, served *http.Request) {
		with = served
		panic(aborted)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return r
}
