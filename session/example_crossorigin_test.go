package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// Another site's page cannot have a form sent in somebody's name: the protection of
// net/http stands around the sessions, and refuses the request before there is one.
func Example_crossOriginProtection() {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /transfer", func(w http.ResponseWriter, r *http.Request) {
		if _, err := session.From(r.Context()); err != nil {
			sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, "transferred")
	})
	server := http.NewCrossOriginProtection().Handler(sessions.Handler(mux))

	for _, site := range []string{"same-origin", "cross-site"} {
		r := httptest.NewRequest("POST", "https://example.com/transfer", nil)
		r.Header.Set("Sec-Fetch-Site", site) // browsers do, and no page can change it
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		fmt.Println(site, w.Code)
	}
	// Output:
	// same-origin 200
	// cross-site 403
}
