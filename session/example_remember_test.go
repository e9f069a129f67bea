package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// "Remember me": a cookie that stays when the browser is closed, and a longer life.
func Example_rememberMe() {
	sessions, err := session.New(memory.New(nil), &session.Options{
		Idle:    2 * time.Hour,
		MaxLife: 90 * 24 * time.Hour, // the most that SetLifetime gives
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.SetOwner("user:alice")
		}
		if err == nil && r.FormValue("remember") != "" {
			err = errors.Join(s.SetPersistent(true), s.SetLifetime(30*24*time.Hour, 90*24*time.Hour))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})

	for _, form := range []url.Values{{}, {"remember": {"on"}}} {
		w := sessiontest.NewClient(sessions.Handler(mux)).PostForm("/login", form)
		kept := time.Duration(w.Result().Cookies()[0].MaxAge) * time.Second
		fmt.Println("the browser keeps it for", kept.Round(time.Hour))
	}
	// Output:
	// the browser keeps it for 0s
	// the browser keeps it for 720h0m0s
}
