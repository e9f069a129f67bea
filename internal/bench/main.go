// Bench measures this module against the limit of each job, the same job done by
// hand with the least that can do it, side by side in one run, and prints a table:
//
//	go run ./internal/bench [-run regexp] [-cycles n]
//
// ours and limit are medians of the wall time per call, and are of this machine.
// What can be compared is the ratio: blocks of calls of both, shuffled, and the
// median of the ratios within a cycle. A/A is the limit against itself, which is
// the noise. No test asserts a time.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
)

// row measures one thing and returns what is to be said of it, in one line or more.
type row struct {
	name    string
	measure func(cycles int) ([]line, error)
}

func rows() []row {
	var all []row
	all = append(all, memoryRows()...)
	all = append(all, requestRows()...)
	return all
}

func main() {
	only := flag.String("run", "", "measure only the rows whose name matches this regular expression")
	cycles := flag.Int("cycles", 200, "cycles of each comparison; under 100 a median says little")
	flag.Parse()
	if err := run(os.Stdout, rows(), *only, *cycles); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, all []row, only string, cycles int) error {
	chosen, err := regexp.Compile(only)
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
	for _, r := range all {
		if !chosen.MatchString(r.name) {
			continue
		}
		runtime.GC() // what the last row left is not this one's
		lines, err := r.measure(cycles)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		for _, l := range lines {
			if err := l.write(w); err != nil {
				return err
			}
		}
	}
	return nil
}
