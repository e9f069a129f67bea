package reports_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

const adapter = "github.com/sojourn-go/sojourn/memory"

// fakeTB is a test that ends when it is told to, well or not.
type fakeTB struct {
	testing.TB
	failed   bool
	errors   []string
	cleanups []func()
}

func (f *fakeTB) Helper()                           {}
func (f *fakeTB) Name() string                      { return "TestConformance" }
func (f *fakeTB) Failed() bool                      { return f.failed }
func (f *fakeTB) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Errorf(format string, args ...any) { f.errors = append(f.errors, format) }

// Fatalf ends the test by a panic, since it has no goroutine of its own.
func (f *fakeTB) Fatalf(format string, _ ...any) { panic(format) }

func (f *fakeTB) end() {
	for _, c := range slices.Backward(f.cleanups) {
		c()
	}
}

// wrapper is what somebody puts around an adapter. The report names the adapter.
type wrapper struct{ store.Store }

func (w wrapper) Unwrap() store.Store { return w.Store }

func opens(server string) conformance.Open {
	return func(testing.TB) conformance.Subject {
		return conformance.Subject{Store: wrapper{wrapper{memory.New(nil)}}, Server: server}
	}
}

// quick is a whole run that takes no time: held to one level, whose requirements
// want what the memory store cannot do.
var quick = conformance.Claim(conformance.Durable)

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b") // is made
	t.Setenv(reports.Env, dir)
	return dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// What is read back is what the run found, each run in its own file.
func TestSaveAndRead(t *testing.T) {
	dir := folder(t)
	var told []conformance.Report
	for _, server := range []string{"Postgre/SQL: 17.12 (ä)", "Redis 8", "Redis 8"} {
		tb := &fakeTB{}
		told = append(told, conformance.Verify(t.Context(), opens(server), quick, reports.Save(tb)))
		if n := len(names(t, dir)); n != len(told)-1 {
			t.Errorf("%d files before the test is over, want %d", n, len(told)-1)
		}
		tb.end()
		if len(tb.errors) > 0 {
			t.Error(tb.errors)
		}
	}
	files := names(t, dir)
	if len(files) != 3 {
		t.Fatalf("the files are %q, want 3", files)
	}
	for i, begins := range []string{"memory, Postgre_SQL_ 17.12 (_), ", "memory, Redis 8, ", "memory, Redis 8, "} {
		if !strings.HasPrefix(files[i], begins) || !strings.HasSuffix(files[i], ".json") {
			t.Errorf("file %d is %q, want %q and so on", i, files[i], begins)
		}
	}
	runs, err := reports.Read(dir)
	if err != nil || len(runs) != 3 {
		t.Fatal(len(runs), err)
	}
	for i, run := range runs {
		if run.File != files[i] || run.Adapter != adapter {
			t.Errorf("%s has the adapter %q, want %q", run.File, run.Adapter, adapter)
		}
		if !slices.ContainsFunc(told, func(r conformance.Report) bool { return same(t, r, run.Report) }) {
			t.Errorf("%s is not what a run found", run.File)
		}
	}
}

// same compares what of a report is public.
func same(t *testing.T, a, b conformance.Report) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y) && reflect.DeepEqual(a.Levels, b.Levels)
}

// A run in a bubble is written too, by a test of the real kind.
func TestSaveFromABubble(t *testing.T) {
	dir := folder(t)
	t.Run("run", func(t *testing.T) {
		conformance.Run(t, opens("the process itself"), quick, conformance.InBubble(), reports.Save(t))
	})
	if runs, err := reports.Read(dir); err != nil || len(runs) != 1 {
		t.Error(len(runs), err)
	}
}

func TestWhatIsNotSaved(t *testing.T) {
	skips := func(tb testing.TB) conformance.Subject { tb.Skip("no server"); return conformance.Subject{} }
	for name, run := range map[string]func(context.Context, conformance.Option){
		"a selection": func(ctx context.Context, o conformance.Option) {
			conformance.Verify(ctx, opens("x"), conformance.Only("CRASH-1"), o)
		},
		"skipped": func(ctx context.Context, o conformance.Option) { conformance.Verify(ctx, skips, o) },
		"no run":  func(context.Context, conformance.Option) {},
	} {
		dir, tb := folder(t), &fakeTB{}
		run(t.Context(), reports.Save(tb))
		tb.end()
		if files := names(t, dir); len(files) > 0 || len(tb.errors) > 0 {
			t.Errorf("%s: wrote %q; %q", name, files, tb.errors)
		}
	}
}

func TestWithoutTheVariableNothingIsWritten(t *testing.T) {
	t.Setenv(reports.Env, "")
	tb := &fakeTB{}
	conformance.Verify(t.Context(), opens("x"), quick, reports.Save(tb))
	if len(tb.cleanups) > 0 {
		t.Error("something is to be done at the end of the test")
	}
}

// A folder of reports in which one run is missing because it failed must not look
// like one in which all went well.
func TestAFailedTestLeavesItsMark(t *testing.T) {
	breaks := func(tb testing.TB) conformance.Subject { tb.Fatal("no server"); return conformance.Subject{} }
	for name, c := range map[string]struct {
		open conformance.Open
		opts []conformance.Option
		says string // of the error; "" for none
	}{
		"something else failed":  {opens("x"), []conformance.Option{quick}, "TestConformance of reports.test failed, though no requirement did"},
		"a requirement failed":   {opens("x"), []conformance.Option{quick, conformance.Strict()}, ""},
		"before a report":        {nil, nil, "failed before it had a report"},
		"the store did not open": {breaks, nil, "cannot be opened"},
		"a selection":            {opens("x"), []conformance.Option{conformance.Only("CRASH-1")}, "none in"},
	} {
		dir, tb := folder(t), &fakeTB{failed: true}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		save := reports.Save(tb)
		if c.open != nil {
			conformance.Verify(t.Context(), c.open, append(c.opts, save)...)
		}
		tb.end()
		_, err := reports.Read(dir)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
}

func TestARelativeFolderIsRefused(t *testing.T) {
	t.Setenv(reports.Env, "reports")
	defer func() {
		if recover() == nil {
			t.Error("each package would have a folder of its own")
		}
	}()
	reports.Save(&fakeTB{})
}

func TestWhatCannotBeWrittenFailsTheTest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv(reports.Env, filepath.Join(file, "sub"))
	tb := &fakeTB{}
	conformance.Verify(t.Context(), opens("x"), quick, reports.Save(tb))
	tb.end()
	if len(tb.errors) != 1 {
		t.Errorf("%d errors, want 1", len(tb.errors))
	}
}
