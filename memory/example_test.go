package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func ExampleNew() {
	ctx := context.Background()
	s := memory.New(&memory.Options{MaxSessions: 100_000})
	defer s.Close()

	rev, err := s.Create(ctx, "an-id", store.Record{Data: []byte("hello"), Owner: "user:42"}, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Update(ctx, "an-id", store.Record{Data: []byte("hello again"), Owner: "user:42"}, time.Hour, rev)
	fmt.Println("with the current revision:", err)
	_, err = s.Update(ctx, "an-id", store.Record{Data: []byte("too late")}, time.Hour, rev)
	fmt.Println("with the one before:", err)
	// Output:
	// with the current revision: <nil>
	// with the one before: memory: update: session changed meanwhile
}
