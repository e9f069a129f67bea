package postgres_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

func ExampleNew() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	s, err := postgres.New(pool, &postgres.Options{
		Migrate: true,
		OnError: func(err error) { log.Print(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // before the pool
	if _, err := s.Create(ctx, "an-id", store.Record{Data: []byte("visits=1")}, time.Hour); err != nil {
		log.Fatal(err)
	}
}

func Example_open() {
	s, err := store.Open(context.Background(), "postgres://app:secret@localhost:5432/app?table=sessions", postgres.Opener)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(s) // and the pool with it
}

// For those who make tables by other means.
func ExampleOptions_DDL() {
	sql, err := (&postgres.Options{Schema: "web", Table: "visitors"}).DDL()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sql)
	// Output:
	// CREATE TABLE "web"."visitors" (
	// 	revision int8 NOT NULL,                 -- 64 random bits, never 0
	// 	deadline timestamptz NOT NULL,          -- when it ends, by this server's clock
	// 	due timestamptz NOT NULL,               -- when the sweeper looks for it, a round hour after that
	// 	id text COLLATE "C" NOT NULL,           -- no cookie's value: the manager stores a digest of it
	// 	owner text COLLATE "C",                 -- NULL while it is nobody's
	// 	data bytea NOT NULL,
	// 	CONSTRAINT "visitors_pkey" PRIMARY KEY (id)
	// ) WITH (fillfactor = 90);
	// CREATE INDEX "visitors_due" ON "web"."visitors" (due);
	// CREATE INDEX "visitors_owner" ON "web"."visitors" (owner, id) WHERE owner IS NOT NULL;
	// COMMENT ON TABLE "web"."visitors" IS 'sojourn schema 1'
}
