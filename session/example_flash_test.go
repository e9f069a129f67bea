package session_test

import (
	"fmt"
	"net/http"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// A message that is shown once, on the page after the one that set it: of two pages that
// are loaded at the same time one shows it.
func Example_flash() {
	message := session.NewKey[string]("message") // a package variable, in earnest

	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = message.Set(s, "It is saved.")
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		text, err := message.Pop(s)
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "message: %q", text)
	})

	browser := sessiontest.NewClient(sessions.Handler(mux))
	browser.PostForm("/save", nil)
	fmt.Println(browser.Get("/").Body)
	fmt.Println(browser.Get("/").Body)
	// Output:
	// message: "It is saved."
	// message: ""
}
