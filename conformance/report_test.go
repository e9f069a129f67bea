package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func TestLevelsReached(t *testing.T) {
	pass := func(l Level, s Status, exempt bool, reason string) Result {
		return Result{Level: l, Status: s, exempt: exempt, Reason: reason}
	}
	for name, c := range map[string]struct {
		results []Result
		want    []Level
	}{
		"all pass":              {[]Result{pass(Core, Pass, false, ""), pass(Listing, Pass, false, "")}, Levels()},
		"one fails":             {[]Result{pass(Core, Pass, false, ""), pass(Listing, Fail, false, "")}, []Level{Core, Durable, Faults, Distributed}},
		"without core, nothing": {[]Result{pass(Core, Fail, false, ""), pass(Listing, Pass, false, "")}, nil},
		"a waiver":              {[]Result{pass(Listing, Waived, false, "")}, []Level{Core, Durable, Faults, Distributed}},
		"not decided":           {[]Result{pass(Faults, Unknown, false, "")}, []Level{Core, Listing, Durable, Distributed}},
		"not tested":            {[]Result{pass(Faults, Skip, false, "")}, []Level{Core, Listing, Durable, Distributed}},
		"does not concern it":   {[]Result{pass(Faults, Skip, true, "")}, Levels()},
		"not claimed":           {[]Result{pass(Faults, Skip, true, "the level faults is not claimed")}, []Level{Core, Listing, Durable, Distributed}},
		"new":                   {[]Result{pass(Faults, New, false, "")}, Levels()},
	} {
		if got := reached(c.results); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What a report says is what came of the requirements, in each of its forms.
func TestReportForms(t *testing.T) {
	var told Report
	rep := Verify(t.Context(), opens(stub{}), Only("LOAD-.|OWNER-1|SIZE-1"), Waive("LOAD-3", "a <test> & more", ""), Seed(7), OnReport(func(r Report) { told = r }))
	count := map[Status]int{}
	for _, r := range rep.Results {
		count[r.Status]++
	}
	if len(rep.Results) != 8 || count[Fail] == 0 || count[Pass] == 0 || count[Skip] == 0 || count[Waived] != 1 || len(told.Results) != 8 || !rep.Selected {
		t.Fatalf("%v, OnReport saw %d", count, len(told.Results))
	}
	var b bytes.Buffer
	if err := rep.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil || back.Schema != schema || back.Seed != 7 || len(back.Results) != 8 || back.Digest != rep.Digest ||
		back.Results[0].Status != rep.Results[0].Status || back.Adapter != "github.com/sojourn-go/sojourn/conformance" {
		t.Errorf("JSON: %v %+v", err, back)
	}
	b.Reset()
	if err := rep.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suite); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for _, c := range suite.Cases {
		if c.Failure != nil {
			failures++
		}
	}
	if suite.Tests != 8 || suite.Failures != count[Fail] || failures != count[Fail] || suite.Skipped != 8-count[Fail]-count[Pass] {
		t.Errorf("JUnit: %d tests, %d failures, %d skipped; %v", suite.Tests, suite.Failures, suite.Skipped, count)
	}
	b.Reset()
	if err := rep.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, r := range rep.Results {
		if !strings.Contains(b.String(), r.ID) || r.Status == Fail && !strings.Contains(b.String(), r.Sentence) {
			t.Errorf("the table does not explain %s:\n%s", r.ID, b.String())
		}
	}
}

// A failure has the id, the sentence, what was got and wanted, and the last calls
// with sizes and results; and it is short, and shows no session's id whole.
func TestFailureExplainsItself(t *testing.T) {
	var mu sync.Mutex
	var ids []string
	big := stub{
		create: func(id string) (store.Revision, error) {
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, id)
			return 1, nil
		},
		load: func(context.Context, string) (store.Entry, error) {
			return store.Entry{Record: store.Record{Data: bytes.Repeat([]byte("s3cret"), 1<<17)}, Revision: 1, TTL: time.Hour}, nil
		},
	}
	for _, id := range []string{"LOAD-4", "LOAD-1", "CONC-1", "ID-1", "UPDATE-6"} {
		res := one(t, Verify(t.Context(), opens(big), Only(id)), id)
		text := res.Explain()
		for _, want := range []string{id + " fail", res.Sentence, "the last calls:", " = "} {
			if !strings.Contains(text, want) {
				t.Errorf("the failure of %s does not say %q:\n%s", id, want, text)
			}
		}
		if len(text) > 8<<10 || len(res.Calls) > 24 || strings.Count(text, "want:") > 12 {
			t.Errorf("the failure of %s has %d bytes and %d calls", id, len(text), len(res.Calls))
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("the failure of %s shows data", id)
		}
		for _, sid := range ids {
			if len(sid) > 12 && strings.Contains(text, sid) {
				t.Errorf("the failure of %s shows an id whole", id)
				break
			}
		}
		ids = nil
	}
	res := one(t, Verify(t.Context(), opens(big), Only("LOAD-1")), "LOAD-1")
	if !strings.Contains(res.Reason, "got:") || !strings.Contains(res.Reason, "want:") || !strings.Contains(strings.Join(res.Calls, "\n"), "100 B, 1h0m0s") {
		t.Errorf("the failure of LOAD-1:\n%s", res.Explain())
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	run := func(open Open, args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := command(t.Context(), open, nil, args, &out, &errs)
		return code, out.String(), errs.String()
	}
	junit := filepath.Join(dir, "junit.xml")
	broken := func(tb testing.TB) Subject { tb.Fatal("no server"); return Subject{} }
	for name, c := range map[string]struct {
		open Open
		args []string
		code int
		says string
	}{
		"nothing is broken":        {opens(stub{}), []string{"-run", "LOAD-2"}, 0, "1 pass"},
		"something is":             {opens(stub{}), []string{"-run", "LOAD-[12]"}, 1, "1 pass, 1 fail"},
		"a skip":                   {opens(stub{}), []string{"-run", "CONC-2"}, 0, "1 skip"},
		"a skip, strict":           {opens(stub{}), []string{"-run", "CONC-2", "-strict"}, 1, "1 fail"},
		"the seed":                 {opens(stub{}), []string{"-run", "LOAD-2", "-seed", "42"}, 0, "seed 42"},
		"JSON":                     {opens(stub{}), []string{"-run", "LOAD-2", "-json"}, 0, `"schema": 1`},
		"an edition":               {opens(stub{}), []string{"-run", "LOAD-2", "-edition", Latest}, 0, Latest},
		"no such edition":          {opens(stub{}), []string{"-edition", "1999.1"}, 2, "no edition"},
		"no such flag":             {opens(stub{}), []string{"-nope"}, 2, ""},
		"no expression":            {opens(stub{}), []string{"-run", "("}, 2, "missing closing"},
		"nothing could be run":     {broken, []string{"-run", "LOAD-2"}, 2, "no server"},
		"the list":                 {broken, []string{"-list"}, 0, "UPDATE-6"},
		"JUnit":                    {opens(stub{}), []string{"-run", "LOAD-2", "-junit", junit}, 0, ""},
		"JUnit that cannot be put": {opens(stub{}), []string{"-run", "LOAD-2", "-junit", filepath.Join(dir, "no", "x")}, 2, ""},
	} {
		code, out, errs := run(c.open, c.args...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit %d, want %d with %q\n%s%s", name, code, c.code, c.says, out, errs)
		}
	}
	if text, err := os.ReadFile(junit); err != nil || !bytes.Contains(text, []byte(`name="LOAD-2"`)) {
		t.Errorf("JUnit: %v\n%s", err, text)
	}
	_, list, _ := run(opens(stub{}), "-list")
	if n := strings.Count(list, "\n"); n != len(requirements) {
		t.Errorf("-list prints %d lines, there are %d requirements", n, len(requirements))
	}
}
