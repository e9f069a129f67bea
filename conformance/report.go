package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Status is what came of a requirement.
type Status string

// What can come of a requirement.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	New     Status = "new"     // newer than the edition: it fails nothing
	Skip    Status = "skip"    // not tested, or it does not concern the store: the reason says which
	Waived  Status = "waived"  // broken, and known to be
	Unknown Status = "unknown" // out of time: neither pass nor fail
)

// Result is what came of one requirement.
type Result struct {
	ID       string        `json:"id"`
	Level    Level         `json:"level"`
	Status   Status        `json:"status"`
	Sentence string        `json:"sentence"`
	Reason   string        `json:"reason,omitempty"` // why not Pass: got and want
	Notes    []string      `json:"notes,omitempty"`  // what of it could not be tested
	Calls    []string      `json:"calls,omitempty"`  // the last calls before a failure
	Time     time.Duration `json:"ns"`

	exempt bool // a skip that stands in no level's way
}

// Report is what a run found out. Its JSON has the version Schema.
type Report struct {
	Schema  int    `json:"schema"`
	Suite   string `json:"suite"` // version of the module that holds the suite
	Edition string `json:"edition"`
	Digest  string `json:"digest"`
	Draft   bool   `json:"draft,omitempty"` // the edition is not frozen yet

	Adapter  string  `json:"adapter"` // package of the store
	Version  string  `json:"version"` // of its module, and the revision it was built from
	Server   string  `json:"server,omitempty"`
	Promise  string  `json:"durability,omitempty"`
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Seed     uint64  `json:"seed"`
	Levels   []Level `json:"levels"`             // reached, without a waiver
	Err      string  `json:"error,omitempty"`    // why nothing could be run
	Skipped  string  `json:"skipped,omitempty"`  // why open skipped the run
	Selected bool    `json:"selected,omitempty"` // only some requirements ran: levels say nothing

	Results []Result `json:"results"`
}

const schema = 1

// report says what came of the run: results, or why there are none.
func (e *engine) report(results []Result, skipped string, err error) Report {
	r := Report{
		Schema: schema, Suite: moduleOf("github.com/sojourn-go/sojourn/conformance"), Edition: e.edition.name, Digest: e.edition.digest(),
		Draft: e.edition.draft, Server: e.about.Server, Promise: e.about.Durability, Go: runtime.Version(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, Seed: e.seed, Selected: e.only != nil, Results: results,
	}
	if e.about.Store != nil {
		r.Adapter = packageOf(e.about.Store)
		r.Version = moduleOf(r.Adapter)
	}
	r.Skipped = skipped
	if err != nil {
		r.Err = err.Error()
	}
	if !r.Selected && err == nil && skipped == "" {
		r.Levels = reached(results)
	}
	for _, f := range e.reports {
		f(r)
	}
	return r
}

// reached are the levels of which nothing failed, was waived or left untested.
func reached(results []Result) []Level {
	missing := map[Level]bool{}
	for _, r := range results {
		if r.Status != Pass && !(r.Status == Skip && r.exempt && !strings.Contains(r.Reason, "not claimed")) && r.Status != New {
			missing[r.Level] = true
		}
	}
	if missing[Core] {
		return []Level{}
	}
	return slices.DeleteFunc(Levels(), func(l Level) bool { return missing[l] })
}

// innermost looks through wrappers.
func innermost(s store.Store) store.Store {
	for {
		w, ok := s.(interface{ Unwrap() store.Store })
		if !ok || w.Unwrap() == nil {
			return s
		}
		s = w.Unwrap()
	}
}

func packageOf(s store.Store) string {
	t := reflect.TypeOf(innermost(s))
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}

// moduleOf returns the version of the module that holds a package, and the
// revision that the program was built from, as far as it is known.
func moduleOf(pkg string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	best := info.Main
	for _, m := range info.Deps {
		if (pkg == m.Path || strings.HasPrefix(pkg, m.Path+"/")) && len(m.Path) > len(best.Path) {
			best = *m
		}
	}
	version := best.Version
	if version == "" {
		version = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && best.Path == info.Main.Path {
			version += " " + s.Value
		}
	}
	return version
}

// Failed reports whether a requirement of the edition is broken, or nothing
// could be run.
func (r Report) Failed() bool {
	return r.Err != "" || slices.ContainsFunc(r.Results, func(x Result) bool { return x.Status == Fail })
}

// Summary is the report in one line.
func (r Report) Summary() string {
	n := map[Status]int{}
	for _, x := range r.Results {
		n[x.Status]++
	}
	var parts []string
	for _, s := range []Status{Pass, Fail, New, Skip, Waived, Unknown} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	levels := "levels reached: none"
	if len(r.Levels) > 0 {
		levels = fmt.Sprintf("levels reached: %v", r.Levels)
	}
	if r.Selected {
		levels = "a selection, no levels"
	}
	return fmt.Sprintf("%s; %s; edition %s%s %s; seed %d", strings.Join(parts, ", "), levels, r.Edition, draft(r.Draft), r.Digest, r.Seed)
}

func draft(is bool) string {
	if is {
		return " (draft)"
	}
	return ""
}

// WriteTable writes the report as a table, failures explained below it.
func (r Report) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "requirement\tresult\ttime\treason\n")
	for _, x := range r.Results {
		reason := x.Reason
		if x.Status == Fail {
			reason = "see below"
		}
		if len(x.Notes) > 0 {
			reason = strings.TrimPrefix(reason+"; not tested: "+strings.Join(x.Notes, "; "), "; ")
		}
		fmt.Fprintf(tw, "%s\t%s\t%v\t%s\n", x.ID, x.Status, x.Time.Round(100*time.Microsecond), oneLine(reason))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, x := range r.Results {
		if x.Status == Fail {
			fmt.Fprintf(w, "\n%s", x.Explain())
		}
	}
	if r.Err != "" {
		fmt.Fprintf(w, "%s\n", r.Err)
	}
	_, err := fmt.Fprintf(w, "\n%s %s: %s\n", r.Adapter, r.Server, r.Summary())
	return err
}

// Explain is a result with its sentence, what was got and wanted, and the last
// calls.
func (x Result) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", x.ID, x.Status)
	fmt.Fprintf(&b, "  %s\n", x.Sentence)
	for line := range strings.Lines(x.Reason) {
		fmt.Fprintf(&b, "    %s\n", strings.TrimSuffix(line, "\n"))
	}
	if len(x.Calls) > 0 {
		fmt.Fprintf(&b, "  the last calls:\n")
		for _, c := range x.Calls {
			fmt.Fprintf(&b, "    %s\n", c)
		}
	}
	return b.String()
}

// WriteJSON writes the report as JSON, of the version that its field schema names.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteJUnit writes the report in the XML that CI servers read.
func (r Report) WriteJUnit(w io.Writer) error {
	type message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *message `xml:"failure"`
		Skipped *message `xml:"skipped"`
	}
	suite := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Errors   int        `xml:"errors,attr"`
		SysErr   string     `xml:"system-err,omitempty"`
		Cases    []testcase `xml:"testcase"`
	}{Name: r.Adapter, Tests: len(r.Results), SysErr: r.Err}
	if r.Err != "" {
		suite.Errors = 1
	}
	for _, x := range r.Results {
		c := testcase{Class: r.Adapter, Name: x.ID, Time: fmt.Sprintf("%.3f", x.Time.Seconds())}
		switch x.Status {
		case Pass:
		case Fail:
			suite.Failures++
			c.Failure = &message{Message: x.Sentence, Text: x.Explain()}
		default:
			suite.Skipped++
			c.Skipped = &message{Message: string(x.Status) + ": " + x.Reason}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func join(lines []string) string { return strings.Join(lines, "\n") }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
