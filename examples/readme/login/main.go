// Login is the README's session of somebody who logs in: who it is, a word that is
// shown once, and logout.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

var (
	user  = session.NewKey[string]("user")
	flash = session.NewKey[string]("flash")
)

func routes(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request, s *session.Session) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err == nil {
				err = h(w, r, s)
			}
			if err != nil {
				sessions.Error(w, r, err)
			}
		})
	}
	handle("GET /{$}", func(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
		word, err := flash.Pop(s)
		if err != nil {
			return err
		}
		name, ok, err := user.Lookup(s)
		if err != nil {
			return err
		}
		if !ok {
			name = "stranger"
		}
		_, err = fmt.Fprintf(w, "hello %s. %s\n", name, word)
		return err
	})
	handle("POST /login", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		// A new id for who logs in: one that was planted before is worth nothing.
		if err := s.Destroy(); err != nil {
			return err
		}
		if err := user.Set(s, r.FormValue("name")); err != nil { // check a password first
			return err
		}
		if err := flash.Set(s, "You are logged in."); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	handle("POST /logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Destroy(); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

func main() {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(routes(sessions))))
}
