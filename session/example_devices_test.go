package session_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// Where somebody is logged in, and how to end it elsewhere.
func Example_devices() {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = errors.Join(s.SetOwner("user:alice"), s.SetDevice(r.UserAgent()))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		all, err := sessions.List(r.Context(), s.Owner())
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		for _, d := range all { // d.Handle is for a form that calls sessions.End
			if d.Handle == s.Handle() {
				fmt.Fprintln(w, d.Device, "(this one)")
			} else {
				fmt.Fprintln(w, d.Device)
			}
		}
	})
	mux.HandleFunc("POST /devices/end-others", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = sessions.EndOthers(r.Context(), s)
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})

	server := sessions.Handler(mux)
	logIn := func(device string) *sessiontest.Client {
		c := sessiontest.NewClient(server)
		r, err := http.NewRequest("POST", "https://example.com/login", nil)
		if err != nil {
			panic(err)
		}
		r.Header.Set("User-Agent", device)
		c.Do(r)
		return c
	}
	logIn("telephone")
	laptop := logIn("laptop")
	laptop.PostForm("/devices/end-others", nil)
	fmt.Print(laptop.Get("/devices").Body)
	// Output:
	// laptop (this one)
}
