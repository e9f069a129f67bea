package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The lines between which the table stands.
const (
	begin = "<!-- conformance: begin -->"
	end   = "<!-- conformance: end -->"
)

// The columns that this command knows. The last two are its own.
const (
	importColumn = "import"
	levelsColumn = "levels of the suite"
	testedColumn = "tested on"
)

// notTested stands in a row whose adapter has no report.
const notTested = "not tested"

// document is a text with a table of stores.
type document struct {
	lines []string // with their ends
	rows  []row
}

// row is a row of the table that has an import.
type row struct {
	line     int // index into lines
	imported string
}

// change is a cell that is not what it should be.
type change struct{ imported, column, got, want string }

func (d document) String() string { return strings.Join(d.lines, "") }

// parse finds the table. It must be all there is between the markers.
func parse(text string) (document, error) {
	d := document{lines: strings.SplitAfter(text, "\n")}
	first, last, err := d.between()
	if err != nil {
		return d, err
	}
	width, importAt := 0, 0
	for i := first; i < last; i++ {
		cells := split(d.lines[i])
		line := i - first
		switch {
		case cells == nil:
			return d, fmt.Errorf("line %d is no row of a table, %q", i+1, strings.TrimSpace(d.lines[i]))
		case line == 0:
			width, importAt = len(cells), slices.Index(cells, importColumn)
			if n := len(cells); importAt < 0 || importAt >= n-2 || cells[n-2] != levelsColumn || cells[n-1] != testedColumn {
				return d, fmt.Errorf("line %d: the table has the columns %q, want a column %q, and %q and %q as the last two", i+1, cells, importColumn, levelsColumn, testedColumn)
			}
		case len(cells) != width:
			return d, fmt.Errorf("line %d has %d cells, the table has %d columns", i+1, len(cells), width)
		case line == 1:
			if slices.ContainsFunc(cells, func(c string) bool { return !dashes.MatchString(c) }) {
				return d, fmt.Errorf("line %d must be the dashes below the table's head", i+1)
			}
		default:
			m := path.FindStringSubmatch(cells[importAt])
			if m == nil {
				continue
			}
			if slices.ContainsFunc(d.rows, func(r row) bool { return r.imported == m[1] }) {
				return d, fmt.Errorf("line %d is a second row of %s", i+1, m[1])
			}
			d.rows = append(d.rows, row{line: i, imported: m[1]})
		}
	}
	if last-first < 2 {
		return d, fmt.Errorf("there is no table between %s and %s", begin, end)
	}
	return d, nil
}

var (
	path   = regexp.MustCompile("`([^`]+)`")
	dashes = regexp.MustCompile(`^:?-+:?$`)
)

// between returns the lines between the markers, first to last-1, without empty ones
// at either end.
func (d document) between() (first, last int, err error) {
	at := map[string][]int{}
	for i, line := range d.lines {
		line = strings.TrimSpace(line)
		at[line] = append(at[line], i)
	}
	for _, marker := range []string{begin, end} {
		if n := len(at[marker]); n != 1 {
			return 0, 0, fmt.Errorf("the line %s is there %d times, want once: it marks the table of stores", marker, n)
		}
	}
	first, last = at[begin][0]+1, at[end][0]
	if last < first {
		return 0, 0, fmt.Errorf("%s stands before %s", end, begin)
	}
	for first < last && strings.TrimSpace(d.lines[first]) == "" {
		first++
	}
	for first < last && strings.TrimSpace(d.lines[last-1]) == "" {
		last--
	}
	return first, last, nil
}

// fill writes the generated cells and returns what that changed. Cells that say the
// same with other spaces stay.
func (d document) fill(found map[string]cells) ([]change, error) {
	var changes []change
	missing := maps.Clone(found)
	for _, r := range d.rows {
		want, ok := found[r.imported]
		if !ok {
			want = cells{notTested, notTested}
		}
		delete(missing, r.imported)
		for _, c := range []struct {
			fromEnd      int
			column, want string
		}{{2, levelsColumn, want.levels}, {1, testedColumn, want.tested}} {
			line, got := set(d.lines[r.line], c.fromEnd, escape(c.want))
			if got != escape(c.want) {
				d.lines[r.line] = line
				changes = append(changes, change{r.imported, c.column, got, escape(c.want)})
			}
		}
	}
	var errs []error
	for _, imported := range slices.Sorted(maps.Keys(missing)) {
		errs = append(errs, fmt.Errorf("there is a report of %s, and the table has no row with `%s` as import", imported, imported))
	}
	return changes, errors.Join(errs...)
}

// pipes are the places in a line where a cell begins or ends, nil when it is no row.
func pipes(line string) []int {
	var at []int
	for i := range len(line) {
		if line[i] == '|' && (i == 0 || line[i-1] != '\\') {
			at = append(at, i)
		}
	}
	// Both outer pipes must be there: a row is nothing but cells.
	if len(at) < 2 || strings.TrimSpace(line[:at[0]]) != "" || strings.TrimSpace(line[at[len(at)-1]+1:]) != "" {
		return nil
	}
	return at
}

// split returns the cells of a row, nil when the line is none.
func split(line string) []string {
	at := pipes(line)
	var cells []string
	for i := range max(len(at)-1, 0) {
		cells = append(cells, strings.TrimSpace(line[at[i]+1:at[i+1]]))
	}
	return cells
}

// set returns the row with a cell set, which is counted from the last one, 1; and what
// stood in it.
func set(line string, fromEnd int, text string) (with, was string) {
	at := pipes(line)
	from, to := at[len(at)-1-fromEnd]+1, at[len(at)-fromEnd]
	return line[:from] + " " + text + " " + line[to:], strings.TrimSpace(line[from:to])
}

// escape makes a text fit for a cell.
func escape(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
