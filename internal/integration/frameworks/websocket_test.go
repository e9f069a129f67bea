package frameworks_test

import (
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/sojourn-go/sojourn/session"
)

var upgrader gorilla.Upgrader

// gorillaSocket sends one message. The header of the 101 is what Upgrade is given, and
// the cookie must be in it.
func gorillaSocket(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, err := upgrader.Upgrade(w, r, w.Header())
	if err != nil {
		return // it was answered
	}
	defer conn.Close()
	_ = conn.WriteMessage(gorilla.TextMessage, []byte(text))
}

func coderSocket(w http.ResponseWriter, r *http.Request) {
	text, err := visit(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, err := coder.Accept(w, r, nil)
	if err != nil {
		return // it was answered
	}
	defer conn.CloseNow()
	_ = conn.Write(r.Context(), coder.MessageText, []byte(text))
}

func sockets(_ *testing.T, sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /gorilla", gorillaSocket)
	mux.HandleFunc("GET /coder", coderSocket)
	mux.HandleFunc("GET /", plain)
	mux.HandleFunc("GET /redirect", redirect)
	mux.HandleFunc("GET /events", events)
	mux.HandleFunc("POST /login", answer(login))
	mux.HandleFunc("POST /logout", answer(logout))
	return sessions.Handler(mux)
}

// socket is a page that opens a websocket with the browser's cookies, keeps those of the
// 101, and reads the first message.
type socket string

func (p socket) String() string { return "websocket " + string(p) }

func (p socket) ask(x *site, b *http.Client) (string, error) {
	conn, res, err := coder.Dial(x.t.Context(), "wss"+strings.TrimPrefix(x.srv.URL, "https")+string(p), &coder.DialOptions{HTTPClient: b})
	if err != nil {
		if res != nil && res.StatusCode >= 400 {
			return "", refused(res.StatusCode)
		}
		return "", err
	}
	defer conn.CloseNow()
	_, text, err := conn.Read(x.t.Context())
	return string(text), err
}

// Without the manager's headers gorilla's 101 has no cookie: the recipe is not for show.
func TestGorillaWithoutTheHeader(t *testing.T) {
	x := newSite(t, func(_ *testing.T, sessions *session.Manager) http.Handler {
		return sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, _ := visit(r.Context())
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.WriteMessage(gorilla.TextMessage, []byte(text))
		}))
	}, http1)
	b := x.browser()
	x.wants(b, socket("/"), says(1, ""))
	if x.cookie(b) != "" {
		t.Error("the cookie has arrived: gorilla/websocket has changed, and the recipe may")
	}
}

// A socket is open for long. It holds nobody up, asks the store for nothing, and what was
// changed after the 101 is an error.
func TestOpenSocketHoldsNothing(t *testing.T) {
	ended := make(chan error, 1)
	x := newSite(t, func(t *testing.T, sessions *session.Manager) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", plain)
		mux.HandleFunc("POST /logout", answer(logout))
		mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) {
			_, err := visit(r.Context())
			if err != nil {
				t.Error(err)
			}
			conn, err := coder.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			_, _, err = conn.Read(r.Context())
			if err != nil {
				t.Error(err)
			}
			_, err = visit(r.Context())
			ended <- err
		})
		return sessions.Handler(mux)
	}, http1)
	b := x.browser()
	conn, _, err := coder.Dial(t.Context(), "wss"+strings.TrimPrefix(x.srv.URL, "https")+"/socket", &coder.DialOptions{HTTPClient: b})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	x.wants(b, get("/"), says(2, ""))
	x.wants(b, post("/logout"), "")
	x.wants(b, get("/"), says(1, ""))
	x.lateIsCommitted(func() {
		if err := conn.Write(t.Context(), coder.MessageText, []byte("go on")); err != nil {
			t.Fatal(err)
		}
	}, ended)
}
