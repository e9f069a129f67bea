package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestChoose(t *testing.T) {
	all := []part{
		{"a", true, []row{{name: "a1"}, {name: "a2"}}},
		{"b", true, []row{{name: "b1"}}},
		{"b-long", false, []row{{name: "long"}}},
	}
	for only, want := range map[string]string{"": "a1 a2 b1", "b": "b1", "b-long,a": "a1 a2 long"} {
		rows, err := choose(all, only)
		var got []string
		for _, r := range rows {
			got = append(got, r.name)
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("-only %q: %v, %v, want %s", only, got, err, want)
		}
	}
	for _, only := range []string{"c", "a,", "a,bb"} {
		if _, err := choose(all, only); err == nil || !strings.Contains(err.Error(), "a,b,b-long") {
			t.Errorf("-only %q: %v, want an error that names the parts", only, err)
		}
	}
}

// The names of the rows begin with their part's, so that -run can tell them apart.
func TestRowsAreNamedAfterTheirPart(t *testing.T) {
	for _, p := range parts(nil) {
		name, _, _ := strings.Cut(p.name, "-")
		for _, r := range p.rows {
			if !strings.HasPrefix(r.name, name) {
				t.Errorf("part %s has a row %q", p.name, r.name)
			}
		}
	}
}

func TestWhatIsMissingIsLeftOut(t *testing.T) {
	nowhere := &missing{what: "It", how: "Buy one.", err: errors.New("no server")}
	measured := 0
	rows := []row{
		{"first", func(int) ([]line, error) { return nil, fmt.Errorf("open: %w", nowhere) }},
		{"second", func(int) ([]line, error) { measured++; return []line{{what: "second"}}, nil }},
	}
	var out strings.Builder
	err := run(&out, rows, "", 100)
	if !errors.Is(err, nowhere) || err.Error() != "It is not measured: no server\nBuy one." {
		t.Errorf("got %v", err)
	}
	if measured != 1 || !strings.Contains(out.String(), "| second |") {
		t.Errorf("the other row was measured %d times:\n%s", measured, out.String())
	}
}

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

func TestCallsStopAtTheFirstError(t *testing.T) {
	var f failure
	wrong := errors.New("wrong")
	calls := 0
	b := f.calls(4, 400, func(g, i int) error {
		if calls++; i < g*100 || i >= (g+1)*100 {
			t.Errorf("goroutine %d is given session %d", g, i)
		}
		if calls == 50 {
			return wrong
		}
		return nil
	})
	for g := range 4 {
		b(g, 20)
	}
	if calls != 50 || f.err() != wrong {
		t.Errorf("%d calls and %v, want 50 and the error", calls, f.err())
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
	server := newServer(os.Getenv)
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
		if err := c.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = $1`, server.schema).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d schemas are left, %v", left, err)
		}
	}()
	for _, r := range slices.Concat(p.rows(), p.hotRows(), p.sweepRows()) {
		lines, err := r.measure(1)
		if err != nil || len(lines) == 0 {
			t.Errorf("%s: %d lines, %v", r.name, len(lines), err)
		}
		for _, l := range lines {
			if !strings.HasPrefix(l.what, "postgres, ") || l.ours == "" && l.noise == "" {
				t.Errorf("%s: the line is %+v", r.name, l)
			}
		}
	}
	var tables int
	if err := server.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = $1`, server.schema).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("the rows leave %d tables, %v", tables, err)
	}
}
