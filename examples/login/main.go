// Login is a site to log in to: with a password and "remember me", a list of the
// devices on which one is logged in, and a page that wants the password again. The
// browser keeps one cookie with a random id, see the README.
//
//	go run ./examples/login
//	curl -c jar -b jar -d username=alice -d password=wonderland -L http://127.0.0.1:8080/auth/login
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
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

func run(ctx context.Context, addr, storeURL string) error {
	s, err := store.Open(ctx, storeURL, memory.Opener, file.Opener, postgres.Opener, redis.Opener, mongo.Opener, orientdb.Opener)
	if err != nil {
		return err
	}
	defer store.Close(s)
	sessions, err := session.New(s, &session.Options{Events: session.Log(slog.Default()), OnError: unavailable})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Printf("listening on http://%s (beyond localhost browsers want https for the cookie)", l.Addr())
	srv := &http.Server{Handler: site(sessions, people), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
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
