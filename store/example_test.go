package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func ExampleOpen() {
	ctx := context.Background()
	s, err := store.Open(ctx, "memory:?max_sessions=100000", memory.Opener)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close(s)
	fmt.Println("ping:", store.Ping(ctx, s))

	_, err = store.Open(ctx, "redis://localhost:6379", memory.Opener)
	fmt.Println(err)
	// Output:
	// ping: <nil>
	// open a store: invalid argument: no opener for redis: was given; import "github.com/sojourn-go/sojourn/redis" and pass its Opener (openers given: memory:)
}

// The life of a session, with the revisions that keep two writers apart.
func ExampleStore() {
	ctx := context.Background()
	var s store.Store = memory.New(nil)

	first, _ := s.Create(ctx, "an-id", store.Record{Data: []byte("1")}, time.Hour)
	second, _ := s.Update(ctx, "an-id", store.Record{Data: []byte("2")}, time.Hour, first)
	_, err := s.Update(ctx, "an-id", store.Record{Data: []byte("too late")}, time.Hour, first)
	fmt.Println("with a revision that was replaced:", errors.Is(err, store.ErrConflict))

	_ = s.Delete(ctx, "an-id")
	_, err = s.Update(ctx, "an-id", store.Record{Data: []byte("back?")}, time.Hour, second)
	fmt.Println("after Delete:", errors.Is(err, store.ErrNotFound))
	// Output:
	// with a revision that was replaced: true
	// after Delete: true
}

func ExampleList() {
	ctx := context.Background()
	s := memory.New(nil)
	for id, owner := range map[string]string{"a": "user:1", "b": "user:2", "c": "user:1"} {
		_, _ = s.Create(ctx, id, store.Record{Owner: owner}, time.Hour)
	}
	n := 0
	for l, err := range store.List(ctx, s, store.Query{Owner: "user:1"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n += len(l.ID)
	}
	fmt.Println(n, "sessions of user:1")
	ended, _ := store.DeleteOwner(ctx, s, "user:1")
	fmt.Println(ended, "ended everywhere")
	// Output:
	// 2 sessions of user:1
	// 2 ended everywhere
}
