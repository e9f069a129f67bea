// Counter counts the visits of each browser. The call of store.Open is the only
// line that knows where the sessions are.
//
//	go run ./examples/counter
//	curl -c jar -b jar -H 'Accept: application/json' http://127.0.0.1:8080
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"html/template"
	"log"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

//go:embed page.html
var files embed.FS

var (
	page   = template.Must(template.ParseFS(files, "page.html"))
	visits = session.NewKey[int]("visits")
)

type state struct {
	Visits int       `json:"visits"`
	Began  time.Time `json:"began"`
	Ends   time.Time `json:"ends"` // if nobody comes back
	Left   string    `json:"left"`
}

func handler(sessions *session.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		n := 0
		if err == nil {
			n, err = visits.Update(s, func(n int) int { return n + 1 })
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		left := strings.TrimSuffix(time.Until(s.Ends()).Round(time.Minute).String(), "0s") // like 23h59m
		now := state{n, s.Began().UTC(), s.Ends().UTC(), left}
		w.Header().Add("Vary", "Accept")
		w.Header().Set("Cache-Control", "no-store") // the number is another one the next time
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(now) // fails when the client has gone
			return
		}
		_ = page.Execute(w, now)
	})
	mux.HandleFunc("POST /end", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = s.Destroy()
		}
		if err != nil {
			sessions.Error(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return sessions.Handler(http.NewCrossOriginProtection().Handler(mux))
}

func run(ctx context.Context, addr, storeURL string) error {
	s, err := store.Open(ctx, storeURL, memory.Opener, file.Opener, postgres.Opener, redis.Opener, mongo.Opener, orientdb.Opener)
	if err != nil {
		return err
	}
	defer store.Close(s)
	sessions, err := session.New(s, nil)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s (beyond localhost browsers want https for the cookie)", l.Addr())
	srv := &http.Server{Handler: handler(sessions), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // what is under way is answered, and saved, first
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = srv.Shutdown(bounded)
		log.Print("stopped")
		return err
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "the `address` to listen on")
	storeURL := flag.String("store", "memory:", "the `URL` of the store, like memory:, file:./sessions, postgres://user:password@host/database, redis://host:6379, mongodb://host/database or orientdb://user:password@host/database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *storeURL); err != nil {
		log.Fatal(err)
	}
}
