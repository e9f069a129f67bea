package postgres_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/server"
)

// skewVar holds how wrong the clock of a process is: a duration, or several that it
// steps through.
const skewVar = "SOJOURN_TEST_SKEW"

// skewed compiles these tests with a time.Now that adds time.Skew, for a process whose
// clock is wrong: no program can change that of another otherwise.
func skewed(t *testing.T) string {
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
	changed, overlay, bin := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "skewed.test")
	spec, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: text, overlay: string(spec)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "test", "-c", "-tags", "skewed", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// REL-14: the requirements of lifetimes hold in processes whose clocks are wrong by
// five minutes, an hour and a year, and whose clocks step back and forth between these.
func TestWrongClocks(t *testing.T) {
	url := shared.URL(t)
	bin := skewed(t)
	for _, skew := range []string{"5m", "-5m", "1h", "-1h", "8760h", "-8760h", "5m,-5m,1h,-1h,0s,8760h,-8760h"} {
		t.Run(skew, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), bin, "-test.v", "-test.count=1",
				"-test.run", `^(TestSkew|TestConformanceOfDefaults)$/(CREATE-3|UPDATE-3|UPDATE-7|TOUCH|TTL|OWNER-4|LIST-1|COUNT|SWEEP)`)
			cmd.Env = append(os.Environ(), skewVar+"="+skew, fmt.Sprintf("%s=%s", server.Postgres().URLVar, url))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, line := range []string{"--- PASS: TestSkew", "--- PASS: TestConformanceOfDefaults/TTL-6", "--- PASS: TestConformanceOfDefaults/SWEEP-1"} {
				if !strings.Contains(string(out), line) {
					t.Fatalf("it did not say %q:\n%s", line, out)
				}
			}
		})
	}
}
