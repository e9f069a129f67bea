package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// A page for which one has to prove again who one is, if that is longer ago than five
// minutes.
func ExampleManager_RequireFresh() {
	now := time.Now()
	sessions, err := session.New(memory.New(nil), &session.Options{Now: func() time.Time { return now }})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = errors.Join(s.SetOwner("user:alice"), s.MarkAuthenticated("password"))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil { // and another id, since more is open from here on
			err = errors.Join(s.MarkAuthenticated("webauthn"), s.Renew(0))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	form := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "another password:") })
	mux.Handle("GET /password", sessions.RequireFresh(5*time.Minute, form, session.LoginAt("/confirm")))

	browser := sessiontest.NewClient(sessions.Handler(mux))
	browser.PostForm("/login", nil)
	fmt.Println(browser.Get("/password").Code)
	now = now.Add(10 * time.Minute)
	w := browser.Get("/password")
	fmt.Println(w.Code, w.Header().Get("Location"))
	browser.PostForm("/confirm", nil)
	fmt.Println(browser.Get("/password").Body)
	// Output:
	// 200
	// 303 /confirm?return=%2Fpassword
	// another password:
}
