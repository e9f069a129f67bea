// Table keeps the README's table of stores to what the conformance runs have seen:
//
//	go run ./internal/reports/table [-check] -reports DIR README.md
//
// It writes the columns "levels of the suite" and "tested on" of the rows that have
// an import, from the reports in DIR (see package reports for how they get there); all
// other cells are written by hand and stay. With -check it writes nothing, and fails
// when a cell is not what the reports say.
//
// It exits with 0, with 1 when the table is not what the reports say (-check), and with
// 2 when there is nothing to say: no reports, reports that contradict each other, no
// table. (go run makes 1 of both.)
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sojourn-go/sojourn/internal/reports"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprintln(errs, "usage: table [-check] -reports DIR README.md")
		flags.PrintDefaults()
	}
	check := flags.Bool("check", false, "write nothing, and fail when the table is not what the reports say")
	dir := flags.String("reports", os.Getenv(reports.Env), "the `folder` of the reports; the default is that of "+reports.Env)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() != 1 || *dir == "" {
		flags.Usage()
		return 2
	}
	file := flags.Arg(0)
	changes, text, n, err := rewrite(file, *dir)
	if err == nil && len(changes) > 0 && !*check {
		err = os.WriteFile(file, []byte(text), 0o666) // it is there: its mode stays
	}
	switch {
	case err != nil:
		fmt.Fprintln(errs, err)
		return 2
	case len(changes) == 0:
		fmt.Fprintf(out, "%s: the table is what the reports say (runs: %d)\n", file, n)
	case *check:
		fmt.Fprintf(errs, "%s: the table is not what the reports say (runs: %d)\n", file, n)
		show(errs, changes)
		fmt.Fprintf(errs, "the reports are right? Then: go run ./internal/reports/table -reports %s %s\n", *dir, file)
		return 1
	default:
		fmt.Fprintf(out, "%s: written from the reports (runs: %d)\n", file, n)
		show(out, changes)
	}
	return 0
}

// rewrite returns what must change in the file, its text with that, and of how many
// reports.
func rewrite(file, dir string) (changes []change, text string, n int, err error) {
	runs, err := reports.Read(dir)
	if err != nil {
		return nil, "", 0, err
	}
	found, err := findings(runs)
	if err != nil {
		return nil, "", 0, err
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return nil, "", 0, err
	}
	t, err := parse(string(old))
	if err == nil {
		changes, err = t.fill(found)
	}
	if err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", file, err)
	}
	return changes, t.String(), len(runs), nil
}

func show(w io.Writer, changes []change) {
	last := ""
	for _, c := range changes {
		if c.imported != last {
			fmt.Fprintf(w, "  %s\n", c.imported)
			last = c.imported
		}
		fmt.Fprintf(w, "    %s\n      got:  %s\n      want: %s\n", c.column, cmp.Or(c.got, "(empty)"), c.want)
	}
}
