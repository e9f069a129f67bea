package session_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

// A page that asks for news by itself, every minute, does not keep anybody logged in.
func ExampleManager_Passive() {
	now := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	sessions, err := session.New(memory.New(&memory.Options{Now: clock}), &session.Options{Idle: time.Hour, Now: clock})
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
		if err != nil {
			sessions.Error(w, r, err)
		}
	})
	news := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "no news") })
	mux.Handle("GET /news", sessions.Passive(sessions.Require(news, session.LoginAt("/login"))))

	browser := sessiontest.NewClient(sessions.Handler(mux))
	browser.PostForm("/login", nil)
	polls := 0
	for browser.Get("/news").Code == http.StatusOK {
		polls++
		now = now.Add(time.Minute)
	}
	fmt.Println("logged out after", polls, "minutes of polling")
	// Output:
	// logged out after 60 minutes of polling
}
