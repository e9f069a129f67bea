// Login is the README's site with people: who it is, a word that is shown once, devices,
// and logout.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

var (
	visits = session.NewKey[int]("visits")
	flash  = session.NewKey[string]("flash")
)

// login is for somebody whose password is right.
func login(s *session.Session, user string, remember bool) error {
	if err := s.SetOwner("user:" + user); err != nil { // another id, and the one before is worth nothing
		return err
	}
	err := errors.Join(s.MarkAuthenticated("password"), s.SetDevice("a browser"), flash.Set(s, "You are logged in."))
	if remember {
		err = errors.Join(err, s.SetPersistent(true), s.SetLifetime(30*24*time.Hour, 0))
	}
	return err
}

func routes(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	handler := func(h func(w http.ResponseWriter, r *http.Request, s *session.Session) error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err == nil {
				err = h(w, r, s)
			}
			switch {
			case errors.Is(err, store.ErrNotFound): // of a handle
				http.NotFound(w, r)
			case err != nil:
				sessions.Error(w, r, err)
			}
		})
	}
	mux.Handle("GET /{$}", handler(func(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
		word, err := flash.Pop(s)
		if err != nil {
			return err
		}
		n, err := visits.Update(s, func(n int) int { return n + 1 })
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "hello %s, visit %d. %s\n", s.Owner(), n, word)
		return nil
	}))
	mux.Handle("POST /login", handler(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if r.FormValue("password") != "opensesame" { // yours are hashed
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return nil
		}
		if err := login(s, r.FormValue("name"), r.FormValue("remember") != ""); err != nil {
			return err
		}
		http.Redirect(w, r, session.ReturnPath(r, "/"), http.StatusSeeOther)
		return nil
	}))
	mux.Handle("POST /logout", handler(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Destroy(); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}))
	devices := handler(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		devices, err := sessions.List(r.Context(), s.Owner()) // what, since when, when last seen
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(devices)
	})
	end := handler(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
		return sessions.End(r.Context(), s.Owner(), r.FormValue("handle"))
	})
	endOthers := handler(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
		return sessions.EndOthers(r.Context(), s)
	})
	mux.Handle("GET /devices", sessions.Require(devices, session.LoginAt("/login")))
	mux.Handle("POST /devices/end", sessions.Require(end, session.LoginAt("/login")))
	mux.Handle("POST /devices/end-others", sessions.Require(endOthers, session.LoginAt("/login")))
	status := handler(func(w http.ResponseWriter, _ *http.Request, s *session.Session) error {
		_, err := fmt.Fprintln(w, visits.Get(s))
		return err
	})
	mux.Handle("GET /status", sessions.Passive(status))
	mux.Handle("GET /account", sessions.RequireFresh(5*time.Minute, status, session.LoginAt("/login")))
	return http.NewCrossOriginProtection().Handler(mux)
}

func main() {
	sessions, err := session.New(memory.New(nil), &session.Options{
		MaxPerOwner: session.MaxPerOwner{N: 10, EndOldest: true},
		Events:      session.Log(nil), // to slog.Default()
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(routes(sessions))))
}
