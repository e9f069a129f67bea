package frameworks_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// Server-sent events: the session is saved before the first one goes out, and a change
// after it is an error that the handler sees.
func TestServerSentEvents(t *testing.T) {
	late := make(chan error, 1)
	next := make(chan struct{})
	x := newSite(t, func(sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			text, err := visit(r.Context()) // what is to be saved comes first
			if err != nil {
				sessions.Error(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: %s\n\n", text)
			_ = http.NewResponseController(w).Flush()
			<-next
			_, err = visit(r.Context())
			late <- err
			fmt.Fprint(w, "data: end\n\n")
		})
		mux.HandleFunc("GET /", plain)
		mux.HandleFunc("POST /login", answer(login))
		mux.HandleFunc("POST /logout", answer(logout))
		return sessions.Handler(mux)
	})
	b := x.browser()
	res, err := b.Get(x.srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || lines.Text() != `data: visit 1 of ""` {
		t.Fatalf("the first event is %q", lines.Text())
	}
	// The stream is open, and holds nobody up.
	x.wants(b, "/", `visit 2 of ""`)
	x.ask(b, http.MethodPost, "/login")
	x.wants(b, "/", `visit 3 of "alice"`)
	close(next)
	if err := <-late; !errors.Is(err, session.ErrCommitted) {
		t.Errorf("a change after the first event: %v, want ErrCommitted", err)
	}
	for lines.Scan() {
		if lines.Text() == "data: end" {
			return
		}
	}
	t.Errorf("the stream ended early: %v", lines.Err())
}
