// Bench measures this module against the limit of each job, the same job done by
// hand with the least that can do it, side by side in one run, and prints a table:
//
//	go run ./internal/bench [-only part,…] [-run regexp] [-cycles n]
//
// The parts are memory, request, file, postgres, redis, mongo and orientdb, which are
// measured where -only does not say otherwise, and file-growth, file-sweep, postgres-hot,
// postgres-sweep, redis-memory, mongo-growth, mongo-sweep, orientdb-growth and
// orientdb-sweep, which take minutes.
//
// Those of Postgres work in a schema of their own in the server that
// SOJOURN_TEST_POSTGRES_URL names, and write some gigabytes there. Those of Redis work under
// a prefix of their own in the server that SOJOURN_TEST_REDIS_URL names, and take two
// gigabytes of its memory; redis-memory takes nine, and wants a server that nobody else
// uses. Those of MongoDB work in a database of their own in the server that
// SOJOURN_TEST_MONGO_URL names, and write some gigabytes there. Those of OrientDB do
// likewise where SOJOURN_TEST_ORIENTDB_URL says, as a user of the server who may make
// databases; what is kept on disk they tell only of a server that they started. Where a
// variable is not set docker starts a server, of the image that SOJOURN_TEST_POSTGRES_IMAGE,
// SOJOURN_TEST_REDIS_IMAGE, SOJOURN_TEST_MONGO_IMAGE or SOJOURN_TEST_ORIENTDB_IMAGE names,
// or else of postgres:18, redis:8, mongo:8 or orientdb:3.2. Docker's proxy then has a part in each round trip, which brings a
// ratio nearer to 1. What was made, and a server that was started, is removed in the end,
// after an interrupt too.
//
// ours and limit are medians of the wall time per call, and are of this machine.
// What can be compared is the ratio: blocks of calls of both, shuffled, and the
// median of the ratios within a cycle. A/A is the limit against itself, which is
// the noise. No test asserts a time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"syscall"

	goredis "github.com/redis/go-redis/v9"
)

// row measures one thing and returns what is to be said of it, in one line or more.
type row struct {
	name    string
	measure func(cycles int) ([]line, error)
}

func main() {
	only := flag.String("only", "", "measure these parts: "+names(parts(servers{}))+", with commas in between (default "+names(usual(parts(servers{})))+")")
	match := flag.String("run", "", "measure only the rows whose name matches this regular expression")
	cycles := flag.Int("cycles", 200, "cycles of each comparison; under 100 a median says little")
	flag.Parse()
	goredis.SetLogger(quiet{})
	all := newServers(os.Getenv)
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupt
		signal.Stop(interrupt) // a second one does not wait
		report(all.close())
		os.Exit(130)
	}()
	rows, err := choose(parts(all), *only)
	if err == nil {
		err = run(os.Stdout, rows, *match, *cycles)
	}
	if all.interrupted() {
		select {} // interrupted: what failed, failed for that
	}
	report(err)
	if _, ok := errors.AsType[*missing](err); ok && *only == "" {
		err = nil // nobody insists on it
	}
	closed := all.close()
	report(closed)
	if err != nil || closed != nil {
		os.Exit(1)
	}
}

func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// run measures the rows and prints the table. A row for which something is missing
// here is left out; the error says so in the end, once for all rows that lack the same.
func run(w io.Writer, all []row, match string, cycles int) error {
	chosen, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	if cycles < 1 {
		return fmt.Errorf("-cycles is %d, want 1 or more", cycles)
	}
	if _, err := fmt.Fprintf(w, "%s %s/%s, %d processors, %d cycles\n\n%s",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), cycles, head); err != nil {
		return err
	}
	var lacks []error
	for _, r := range all {
		if !chosen.MatchString(r.name) {
			continue
		}
		runtime.GC() // what the last row left is not this one's
		lines, err := r.measure(cycles)
		if m, ok := errors.AsType[*missing](err); ok {
			if !slices.Contains(lacks, error(m)) {
				lacks = append(lacks, m)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		for _, l := range lines {
			if err := l.write(w); err != nil {
				return err
			}
		}
	}
	return errors.Join(lacks...)
}
