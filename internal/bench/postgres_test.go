package main

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDay(t *testing.T) {
	const idle = 30 * time.Minute
	events := day(200, idle, rand.New(rand.NewPCG(1, 1)))
	if len(events) < 200*24 {
		t.Fatalf("%d events of 200 visitors", len(events))
	}
	if !slices.IsSortedFunc(events, func(a, b event) int { return int(a.at - b.at) }) {
		t.Error("the events are in no order")
	}
	last := map[int]time.Duration{}
	for _, e := range events {
		before, came := last[e.visitor]
		switch {
		case e.at < 0 || e.at >= 24*time.Hour:
			t.Fatalf("%v is not of that day", e.at)
		case e.first == came:
			t.Fatalf("visitor %d comes for the first time: %v, he has been here: %v", e.visitor, e.first, came)
		case came && e.at-before < idle/10:
			t.Fatalf("touched again after %v", e.at-before)
		case came && e.at.Truncate(time.Minute)-before.Truncate(time.Minute) >= idle: // by a clock that is set to the minute
			t.Fatalf("touched after %v, when the session is over", e.at-before)
		}
		last[e.visitor] = e.at
	}
	if len(last) != 200 {
		t.Errorf("%d visitors came, want 200", len(last))
	}
}

func TestWatchCountsTheLongestOfEachSecond(t *testing.T) {
	var w watch
	start := time.Now()
	for i, ms := range []int{1, 9, 2, 3, 7, 5} { // at 0, 0.4 … 2.0 s
		w.add(start.Add(time.Duration(i)*400*time.Millisecond), time.Duration(ms)*time.Millisecond)
	}
	if want := []time.Duration{9 * time.Millisecond, 7 * time.Millisecond}; !slices.Equal(w.seconds, want) {
		t.Errorf("the longest of each second: %v, want %v", w.seconds, want)
	}
	if w.n != 6 || w.quantile(1) != 9*time.Millisecond {
		t.Errorf("%d loads, the longest %v", w.n, w.quantile(1))
	}
}

// Every row of Postgres works, on little.
func TestPostgresRows(t *testing.T) {
	url := os.Getenv("SOJOURN_TEST_POSTGRES_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_POSTGRES_URL is not set: it names a server to test with, like postgres://postgres@localhost:5432/postgres?sslmode=disable")
	}
	server := newPostgres(os.Getenv)
	p := &pg{server: server, sizes: pgSizes{held: 64, small: 100, large: 1000, stored: 500, visitors: 20, expired: 1200, quiet: 50 * time.Millisecond}}
	defer func() {
		if err := server.close(); err != nil {
			t.Error(err)
		}
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(context.Background()) }()
		var left int
		if err := c.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = $1`, server.token).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d schemas are left, %v", left, err)
		}
	}()
	for _, r := range slices.Concat(p.rows(), p.hotRows(), p.sweepRows()) {
		checkRow(t, "postgres", r)
	}
	var tables int
	if err := server.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = $1`, server.token).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("the rows leave %d tables, %v", tables, err)
	}
}
