package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/reports"
)

// golden are the reports that testdata/after.md has been made from.
func golden() []conformance.Report {
	redis := ran("example.org/redis", "Valkey 8.1.1", core, listing)
	return []conformance.Report{
		ran("example.org/memory", "the process | itself", core, listing),
		ran("example.org/memory", "the process | itself", core, listing),
		ran("example.org/postgres", "PostgreSQL 18.0", core, listing, durable),
		ran("example.org/postgres", "PostgreSQL 17.6 (Debian 17.6-0+deb13u1)", core, listing),
		ran("example.org/postgres", "PostgreSQL 17.12", durable),
		ran("example.org/postgres", "PostgreSQL 17.12 behind PgBouncer 1.24.1", core, listing, durable),
		ran("example.org/redis", "Redis 8.0.2", core, listing),
		but(redis, "OWNER-6", conformance.Waived),
	}
}

// folder has a README.md with the text, and the reports in a folder of their own.
func folder(t *testing.T, text string, all []conformance.Report) (readme, dir string) {
	t.Helper()
	readme, dir = filepath.Join(t.TempDir(), "README.md"), t.TempDir()
	if err := os.WriteFile(readme, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return readme, dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// command runs the command, and returns what it says without the names of folders.
func command(readme, dir string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(append(args, "-reports", dir, readme), &o, &e)
	short := strings.NewReplacer(readme, "README.md", dir, "DIR")
	return code, short.Replace(o.String()), short.Replace(e.String())
}

func TestGolden(t *testing.T) {
	before, after := read(t, "testdata/before.md"), read(t, "testdata/after.md")
	readme, dir := folder(t, before, golden())

	code, out, errs := command(readme, dir, "-check")
	if want := read(t, "testdata/diff.txt"); code != 1 || out != "" || errs != want {
		t.Errorf("-check: exit %d\n%s%s\nwant 1 and\n%s", code, out, errs, want)
	}
	if read(t, readme) != before {
		t.Error("-check has changed the file")
	}
	if code, out, errs = command(readme, dir); code != 0 || !strings.Contains(out, "written") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if got := read(t, readme); got != after {
		t.Errorf("written\n%s\nwant\n%s", got, after)
	}
	for _, args := range [][]string{nil, {"-check"}} { // what is right stays
		code, out, errs = command(readme, dir, args...)
		if code != 0 || out != "README.md: the table is what the reports say (runs: 8)\n" || errs != "" || read(t, readme) != after {
			t.Errorf("again, %q: exit %d\n%s%s", args, code, out, errs)
		}
	}
}

// Spaces and the ends of lines are the author's.
func TestSpacesAndLineEnds(t *testing.T) {
	before, after := read(t, "testdata/before.md"), read(t, "testdata/after.md")
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	spaces := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, "|\n", "| \t \n"), "-->\n", "-->  \n")
	}
	indented := func(s string) string { return strings.ReplaceAll(s, "\n| ", "\n  | ") }
	for name, f := range map[string]func(string) string{
		"CRLF": crlf, "spaces": spaces, "indented": indented,
		"all":        func(s string) string { return crlf(spaces(indented(s))) },
		"empty line": func(s string) string { return strings.ReplaceAll(s, "begin -->\n", "begin -->\n\n \n") },
		"no empty line": func(s string) string {
			return strings.ReplaceAll(s, "|\n\n<!-- conformance: end", "|\n<!-- conformance: end")
		},
		"alignment": func(s string) string { return strings.ReplaceAll(s, "| --- | --- | --- |", "| :-- | :-: | --: |") },
	} {
		readme, dir := folder(t, f(before), golden())
		if code, out, errs := command(readme, dir); code != 0 || read(t, readme) != f(after) {
			t.Errorf("%s: exit %d\n%s%s\nwritten %q\nwant    %q", name, code, out, errs, read(t, readme), f(after))
		}
	}
	// Columns that somebody has lined up say the same.
	wide := strings.ReplaceAll(after, "| core, listing | the", "|   core, listing      |the")
	readme, dir := folder(t, wide, golden())
	if code, out, errs := command(readme, dir); wide == after || code != 0 || read(t, readme) != wide {
		t.Errorf("wide cells: exit %d\n%s%s", code, out, errs)
	}
}

func TestBadInput(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	same := func(s string) string { return s }
	one := []conformance.Report{ran("example.org/memory", "x", core)}
	for name, c := range map[string]struct {
		edit func(string) string
		all  []conformance.Report
		says string
	}{
		"no first marker":     {replace(begin, ""), one, begin + " is there 0 times"},
		"no last marker":      {replace(end, ""), one, end + " is there 0 times"},
		"a marker twice":      {func(s string) string { return s + begin + "\n" }, one, begin + " is there 2 times"},
		"the wrong way round": {func(s string) string { return strings.NewReplacer(begin, end, end, begin).Replace(s) }, one, "stands before"},
		"another last column": {replace("| tested on |", "| seen on |"), one, `line 8: the table has the columns`},
		"another order":       {replace("| levels of the suite | tested on |", "| tested on | levels of the suite |"), one, "as the last two"},
		"no levels column":    {replace("| levels of the suite |", "| levels |"), one, "as the last two"},
		"one column": {func(s string) string {
			i, j := strings.Index(s, begin), strings.Index(s, end)
			return s[:i] + begin + "\n| import |\n| --- |\n" + s[j:]
		}, one, "line 8: the table has the columns"},
		"a row without begin": {replace("| memory |", "memory |"), one, "line 10 is no row"},
		"text before a row":   {replace("| memory |", "memory | memory |"), one, "line 10 is no row"},
		"no import column":    {replace("| import |", "| package |"), one, `want a column "import"`},
		"no columns":          {replace("| store | import | survives | levels of the suite | tested on |", "| store |"), one, "line 8: the table has the columns"},
		"a cell too few":      {replace("| nothing | core | |", "| nothing | core |"), one, "line 10 has 4 cells, the table has 5"},
		"a pipe unescaped":    {replace(`a \| power`, "a | power"), one, "line 11 has 6 cells"},
		"text in the table":   {replace("| files |", "Some text.\n| files |"), one, `line 13 is no row of a table, "Some text."`},
		"a row without end":   {replace("| nothing | core | |", "| nothing | core | x"), one, "line 10 is no row"},
		"two tables":          {replace("| files |", "\n| files |"), one, "line 13 is no row"},
		"no dashes":           {replace("| --- | --- | --- | --- | --- |", "| - | - | a | - | - |"), one, "line 9 must be the dashes"},
		"an import twice":     {replace("example.org/file", "example.org/redis"), one, "line 13 is a second row of example.org/redis"},
		"no table": {
			func(s string) string {
				i, j := strings.Index(s, begin), strings.Index(s, end)
				return s[:i] + begin + "\n\n" + s[j:]
			}, one,
			"there is no table between",
		},
		"a report without row": {
			same, append(one, ran("example.org/mongo", "x", core), ran("example.org/orientdb", "x", core)),
			"a report of example.org/mongo, and the table has no row with `example.org/mongo` as import\nthere is a report of example.org/orientdb",
		},
		"no reports":     {same, nil, "-count=1"},
		"contradictions": {same, append(one, but(one[0], "LOAD-1", conformance.Fail)), "disagree"},
		"a partial run":  {same, []conformance.Report{{Schema: 1, Adapter: "a", Server: "s", Selected: true}}, "0.json: only some requirements were run"},
	} {
		for _, args := range [][]string{nil, {"-check"}} {
			text := c.edit(read(t, "testdata/before.md"))
			readme, dir := folder(t, text, c.all)
			code, out, errs := command(readme, dir, args...)
			if code != 2 || out != "" || !strings.Contains(errs, c.says) {
				t.Errorf("%s %q: exit %d\n%s%s\nwant 2 with %q", name, args, code, out, errs, c.says)
			}
			if read(t, readme) != text {
				t.Errorf("%s %q: the file has changed", name, args)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	readme, dir := folder(t, read(t, "testdata/after.md"), golden())
	for name, c := range map[string]struct {
		args []string
		env  string
		code int
		says string // to the errors
	}{
		"the variable":   {[]string{"-check", readme}, dir, 0, ""},
		"no folder":      {[]string{"-check", readme}, "", 2, "usage: table"},
		"no file":        {[]string{"-reports", dir}, "", 2, "usage: table"},
		"two files":      {[]string{"-reports", dir, readme, readme}, "", 2, "usage: table"},
		"no such flag":   {[]string{"-nope", readme}, dir, 2, "usage: table"},
		"no such file":   {[]string{readme + ".x"}, dir, 2, "no such file"},
		"no such folder": {[]string{"-reports", dir + ".x", readme}, "", 2, "reports: "},
	} {
		t.Setenv(reports.Env, c.env)
		var out, errs bytes.Buffer
		if code := run(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.says) || (code == 0) != (errs.Len() == 0) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", name, code, c.code, c.says, &out, &errs)
		}
	}
}
