package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
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
	for _, p := range parts(servers{}) {
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
	nothing := &missing{what: "That", how: "Wait.", err: errors.New("no time")}
	rows = append(rows, row{"third", func(int) ([]line, error) { return nil, nothing }}, rows[0])
	if err := run(io.Discard, rows, "first|third", 100); err == nil || err.Error() != nowhere.Error()+"\n"+nothing.Error() {
		t.Errorf("two are missing, one of them twice: %v", err)
	}
	if measured != 1 || !strings.Contains(out.String(), "| second |") {
		t.Errorf("the other row was measured %d times:\n%s", measured, out.String())
	}
}

// checkRow measures a row of a part, on little.
func checkRow(t *testing.T, part string, r row) {
	t.Helper()
	lines, err := r.measure(1)
	if err != nil || len(lines) == 0 {
		t.Errorf("%s: %d lines, %v", r.name, len(lines), err)
	}
	for _, l := range lines {
		if !strings.HasPrefix(l.what, part+", ") || l.ours == "" && l.noise == "" {
			t.Errorf("%s: the line is %+v", r.name, l)
		}
	}
}
