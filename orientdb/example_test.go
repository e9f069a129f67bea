package orientdb_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// The class is made once, by whoever deploys or at each start.
func ExampleNew() {
	s, err := orientdb.New(&orientdb.Database{
		URL:  "http://127.0.0.1:2480",
		Name: "app",
		User: "app", Password: os.Getenv("ORIENTDB_PASSWORD"),
	}, &orientdb.Options{OnError: func(err error) { log.Print(err) }})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	if err := s.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	rev, err := s.Create(ctx, "id", store.Record{Data: []byte("{}"), Owner: "user:42"}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rev != 0)
}

// One line opens a store by its URL.
func ExampleOpener() {
	ctx := context.Background()
	s, err := store.Open(ctx, "orientdb://app:password@localhost:2480/app?class=sessions", orientdb.Opener)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(s) // and its connections
}
