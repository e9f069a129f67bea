package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// A login, a page for those who are logged in, and the logout.
func Example_login() {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != "wonderland" { // a hash of it, in earnest
			http.Error(w, "no such user, or another password", http.StatusForbidden)
			return
		}
		s, err := session.From(r.Context())
		if err == nil { // another id from here on: who knew the one before is not logged in
			err = errors.Join(s.SetOwner("user:alice"), s.MarkAuthenticated("password"))
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, session.ReturnPath(r, "/"), http.StatusSeeOther)
	})
	mux.Handle("GET /account", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, "the account of ", s.Owner())
	}), session.LoginAt("/login")))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.Destroy()
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})

	browser := sessiontest.NewClient(sessions.Handler(mux))
	w := browser.Get("/account?tab=mail")
	fmt.Println(w.Code, w.Header().Get("Location"))
	w = browser.PostForm(w.Header().Get("Location"), url.Values{"user": {"alice"}, "password": {"wonderland"}})
	fmt.Println(w.Code, w.Header().Get("Location"))
	fmt.Println(browser.Get("/account").Body)
	browser.PostForm("/logout", nil)
	fmt.Println(browser.Get("/account").Code)
	// Output:
	// 303 /login?return=%2Faccount%3Ftab%3Dmail
	// 303 /account?tab=mail
	// the account of user:alice
	// 303
}
