package frameworks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// events sends one event.
func events(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context()) // what is to be saved comes first
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush()
	fmt.Fprintf(w, "data: %s\n\n", text)
	_ = http.NewResponseController(w).Flush()
}

// Server-sent events: the session is saved before the first one goes out, the open stream
// holds nobody up and asks the store for nothing, and a change after it is an error that
// the handler sees.
func TestServerSentEvents(t *testing.T) {
	for _, protocol := range []bool{http1, http2} {
		next := make(chan struct{})
		late := make(chan error, 1)
		x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
				events(w, r)
				<-next
				_, err := visit(r.Context())
				late <- err
				fmt.Fprint(w, "data: end\n\n")
			})
			mux.HandleFunc("GET /", plain)
			mux.HandleFunc("POST /login", answer(login))
			mux.HandleFunc("POST /logout", answer(logout))
			return sessions.Handler(mux)
		}, protocol)
		b := x.browser()
		res, err := x.do(b, http.MethodGet, "/events")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		if !lines.Scan() || lines.Text() != "data: "+says(1, "") {
			t.Fatalf("the first event is %q", lines.Text())
		}
		x.wants(b, get("/"), says(2, ""))
		x.wants(b, post("/login"), "")
		x.wants(b, get("/"), says(3, "alice"))
		x.wants(b, post("/logout"), "")
		x.wants(b, get("/"), says(1, ""))
		x.lateIsCommitted(func() { close(next) }, late)
		rest, err := io.ReadAll(res.Body)
		if err != nil || string(rest) != "data: end\n\n" {
			t.Errorf("after the first event: %q, %v", rest, err)
		}
	}
}

// lateIsCommitted wants a change that begin lets happen to be ErrCommitted, and no call of
// the store.
func (x *site) lateIsCommitted(begin func(), late <-chan error) {
	x.t.Helper()
	before := x.store.Calls("")
	begin()
	if err := <-late; !errors.Is(err, session.ErrCommitted) {
		x.t.Errorf("a change after the response has begun: %v, want ErrCommitted", err)
	}
	if n := x.store.Calls("") - before; n != 0 {
		x.t.Errorf("%d calls of the store after the response has begun", n)
	}
}

// The handler of a stream whose client has gone is told, and the session stays saved.
func TestStreamEndsWithTheClient(t *testing.T) {
	ended := make(chan error, 1)
	x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", plain)
		mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			events(w, r)
			<-r.Context().Done()
			ended <- r.Context().Err()
		})
		return sessions.Handler(mux)
	}, http2)
	b := x.browser()
	res, err := x.do(b, http.MethodGet, "/events")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := <-ended; err == nil {
		t.Error("the context has no error")
	}
	x.wants(b, get("/"), says(2, ""))
}
