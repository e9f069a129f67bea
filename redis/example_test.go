package redis_test

import (
	"context"
	"log"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// Both packages are called redis: give the driver another name.
func ExampleNew() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	s, err := redis.New(client, &redis.Options{
		Prefix:  "shop",
		OnError: func(err error) { log.Print(err) }, // what about the server may hurt
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // before the client
	if _, err := s.Create(context.Background(), "an-id", store.Record{Data: []byte("visits=1")}, time.Hour); err != nil {
		log.Fatal(err)
	}
}

// In a cluster, and with logouts that wait for a replica.
func ExampleNew_cluster() {
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs:                 []string{"10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"},
		ContextTimeoutEnabled: true,
	})
	defer client.Close()
	s, err := redis.New(client, &redis.Options{Replicas: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
}

// A Sentinel knows which server is the master.
func ExampleNew_sentinel() {
	client := goredis.NewFailoverClient(&goredis.FailoverOptions{
		MasterName:            "main",
		SentinelAddrs:         []string{"10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"},
		ContextTimeoutEnabled: true,
	})
	defer client.Close()
	s, err := redis.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
}

// What many goroutines ask at once goes out together.
func ExampleOptions_autoPipeliner() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	together, err := client.AutoPipeline()
	if err != nil {
		log.Fatal(err)
	}
	defer together.Close()
	s, err := redis.New(client, &redis.Options{AutoPipeliner: together})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // before both
}

func Example_open() {
	s, err := store.Open(context.Background(), "redis://app:secret@localhost:6379/0?prefix=shop", redis.Opener)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(s) // and the client with it
}

// An administrator may change the policy while the program runs.
func ExampleStore_Check() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	s, err := redis.New(client, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	warnings, err := s.Check(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range warnings {
		if w.Finding == redis.EvictsVolatile {
			log.Print(w.Advice)
		}
	}
}
