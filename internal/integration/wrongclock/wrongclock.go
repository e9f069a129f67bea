// Package wrongclock runs the tests of a package in processes whose clocks are wrong. No
// program can change the clock of another, so the tests are compiled anew, with a
// time.Now that adds something, and with the build tag skewed.
//
// A test package that uses it has a file with that tag, whose test calls [Check].
package wrongclock

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
)

// variable holds how wrong the clock of a process is: a duration, or several that it
// steps through.
const variable = "SOJOURN_TEST_SKEW"

// skews are five minutes, an hour and a year, and a clock that steps back and forth
// between these.
var skews = []string{"5m", "-5m", "1h", "-1h", year, "-" + year, steps}

const (
	year  = "8760h"
	steps = "5m,-5m,1h,-1h,0s,8760h,-8760h"
)

// worst are those that the others lie between.
var worst = []string{year, "-" + year, steps}

// Run runs those tests of the package in the current folder that match the pattern, with
// each of the wrong clocks. What a process says must have each line of says.
func Run(t *testing.T, pattern string, says []string, env ...string) {
	t.Helper()
	bin := build(t)
	for _, skew := range skews {
		if !verbs.Further() && !slices.Contains(worst, skew) {
			continue // CI has all of them
		}
		t.Run(skew, func(t *testing.T) {
			t.Parallel() // most of it is to wait for lives to end
			cmd := exec.CommandContext(t.Context(), bin, "-test.v", "-test.count=1", "-test.run", pattern)
			cmd.Env = append(append(os.Environ(), variable+"="+skew), env...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, line := range says {
				if !strings.Contains(string(out), line) {
					t.Fatalf("it did not say %q:\n%s", line, out)
				}
			}
		})
	}
}

// build compiles the tests with a time.Now that adds time.SetSkew's duration.
func build(t *testing.T) (bin string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	text := string(source)
	if strings.Count(text, now) != 1 {
		t.Fatalf("time.Now of this Go does not begin with %q", now)
	}
	text = strings.Replace(text, now, now+"\tsec += skew.Load()\n", 1) + `
var skew skewSeconds

type skewSeconds struct{ v int64 }

func (s *skewSeconds) Load() int64 { return s.v }

// SetSkew makes the clock wrong by d from now on.
func SetSkew(d Duration) { skew.v = int64(d / Second) }
`
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	spec, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: text, overlay: string(spec)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin = filepath.Join(dir, "skewed.test")
	// All but the linking comes from the build cache; without what debuggers read it takes half as long.
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-w", "-tags", "skewed", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// Check sees that the clock is wrong: the folder was made a moment ago, by the clock of
// the machine.
func Check(t *testing.T) {
	t.Helper()
	for range 1000 {
		info, err := os.Stat(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Since(info.ModTime()).Abs(); off > time.Minute {
			return
		}
	}
	t.Error("the clock is right")
}
