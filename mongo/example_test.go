package mongo_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	sojournmongo "github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"
)

// A program that has a client already hands a collection over. The package has the name of
// its driver: import it by another one.
func ExampleNew() {
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGO_URL")))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect(context.Background())

	s, err := sojournmongo.New(client.Database("app").Collection("sessions"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // before the client
	ctx := context.Background()
	if err := s.Migrate(ctx); err != nil { // the indexes, and whether the collection suits
		log.Fatal(err)
	}
	rev, err := s.Create(ctx, "id", store.Record{Data: []byte("{}"), Owner: "user:42"}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rev != 0)
}

// One line opens a store by its URL; the driver's own parameters go along.
func ExampleOpener() {
	ctx := context.Background()
	s, err := store.Open(ctx, "mongodb://localhost:27017/app?collection=sessions&replicaSet=rs0", sojournmongo.Opener)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(s) // and the client
}
