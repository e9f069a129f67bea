package conformance

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
)

// never matches no id.
var never = regexp.MustCompile(`\z\A.`)

// Main is a whole command that tests the store that open makes:
//
//	func main() { conformance.Main(open) }
//
// Its flags are -edition, -json, -junit, -run, -strict, -seed and -list. It exits
// with 0 when nothing is broken, with 1 when something is, and with 2 when it
// could not be run.
func Main(open Open, opts ...Option) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := command(ctx, open, opts, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func command(ctx context.Context, open Open, opts []Option, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(errs)
	var (
		name   = flags.String("edition", Latest, "the `edition` to hold the store to")
		asJSON = flags.Bool("json", false, "write the report as JSON")
		junit  = flags.String("junit", "", "write the report as JUnit XML to this `file` too")
		run    = flags.String("run", "", "run only the requirements whose id matches this `expression`")
		strict = flags.Bool("strict", false, "a skip is a failure")
		seed   = flags.Uint64("seed", 0, "the seed of an earlier run; 0 chooses one")
		list   = flags.Bool("list", false, "print the requirements and run nothing")
	)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *list {
		for _, r := range requirements {
			fmt.Fprintf(out, "%-9s %-12s %s\n", r.ID, r.Level, r.Sentence)
		}
		return 0
	}
	opts = append(opts, Edition(*name))
	if *run != "" {
		opts = append(opts, Only(*run))
	}
	if *strict {
		opts = append(opts, Strict())
	}
	if *seed != 0 {
		opts = append(opts, Seed(*seed))
	}
	rep := Verify(ctx, open, opts...)
	write := rep.WriteTable
	if *asJSON {
		write = rep.WriteJSON
	}
	if err := write(out); err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	if *junit != "" {
		if err := writeFile(*junit, rep.WriteJUnit); err != nil {
			fmt.Fprintln(errs, err)
			return 2
		}
	}
	switch {
	case rep.Err != "":
		return 2
	case rep.Failed():
		return 1
	}
	return 0
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
