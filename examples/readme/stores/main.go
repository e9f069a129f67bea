// Stores shows the one line that picks a store.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	mongodriver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// byURL opens what a setting names. Closing the store closes its client too.
func byURL(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, memory.Opener, file.Opener, postgres.Opener, redis.Opener, mongo.Opener, orientdb.Opener)
}

// byPool uses a pool that the program has anyway, and that stays its own to close.
func byPool(pool *pgxpool.Pool) (*postgres.Store, error) {
	return postgres.New(pool, &postgres.Options{Migrate: true, OnError: func(err error) { log.Print(err) }})
}

// byClient uses a client that the program has anyway. Both packages are called redis: the
// driver gets another name.
func byClient(client goredis.UniversalClient) (*redis.Store, error) {
	return redis.New(client, &redis.Options{Prefix: "shop", OnError: func(err error) { log.Print(err) }})
}

// byCollection uses a collection of a client that the program has anyway.
func byCollection(collection *mongodriver.Collection) (*mongo.Store, error) {
	return mongo.New(collection, &mongo.Options{OnError: func(err error) { log.Print(err) }})
}

// byHTTP uses a client that the program has anyway; nil would be one of the store's own.
func byHTTP(server, user, password string, client *http.Client) (*orientdb.Store, error) {
	return orientdb.New(&orientdb.Database{URL: server, Name: "shop", User: user, Password: password, Client: client}, nil)
}

func run(ctx context.Context, url string) error {
	s, err := byURL(ctx, url)
	if err != nil {
		return err
	}
	_, err = s.Load(ctx, "an-id")
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, store.Close(s))
}

func main() {
	ctx := context.Background()
	if err := run(ctx, os.Getenv("SESSIONS_URL")); err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	s, err := byPool(pool)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(s.Close())
	client := goredis.NewClient(&goredis.Options{Addr: os.Getenv("REDIS_ADDR"), ContextTimeoutEnabled: true})
	defer client.Close()
	r, err := byClient(client)
	if err != nil {
		log.Fatal(err)
	}
	log.Print(r.Close())
	documents, err := mongodriver.Connect(options.Client().ApplyURI(os.Getenv("MONGO_URL")))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = documents.Disconnect(ctx) }()
	m, err := byCollection(documents.Database("shop").Collection("sessions"))
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Migrate(ctx); err != nil { // its indexes
		log.Fatal(err)
	}
	log.Print(m.Close())
	o, err := byHTTP(os.Getenv("ORIENTDB_URL"), os.Getenv("ORIENTDB_USER"), os.Getenv("ORIENTDB_PASSWORD"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := o.Migrate(ctx); err != nil { // its class
		log.Fatal(err)
	}
	log.Print(o.Close())
}
