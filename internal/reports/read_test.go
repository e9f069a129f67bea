package reports_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/reports"
)

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, text, says string }{
		"no JSON":           {"x.json", `nope`, "x.json: invalid character"},
		"cut off":           {"x.json", `{"schema": 1, "adapter": "a", "ser`, "x.json: unexpected end"},
		"another schema":    {"x.json", `{"schema": 2, "adapter": "a", "server": "s"}`, "its schema is 2, want 1"},
		"an error":          {"x.json", `{"schema": 1, "adapter": "a", "server": "s", "error": "it hangs"}`, "it hangs"},
		"skipped":           {"x.json", `{"schema": 1, "adapter": "a", "server": "s", "skipped": "no server"}`, "skipped: no server"},
		"a selection":       {"x.json", `{"schema": 1, "adapter": "a", "server": "s", "selected": true}`, "only some"},
		"no adapter":        {"x.json", `{"schema": 1, "server": "s"}`, "no adapter"},
		"no server":         {"x.json", `{"schema": 1, "adapter": "a"}`, "Subject.Server"},
		"no report at all":  {"notes.txt", ``, "-count=1"},
		"one half-written":  {"a, s, 1.part", `{"schema"`, "-count=1"},
		"nothing is wrong":  {"x.json", `{"schema": 1, "adapter": "a", "server": "s"}`, ""},
		"a field from then": {"x.json", `{"schema": 1, "adapter": "a", "server": "s", "later": 1}`, ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := reports.Read(dir)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
	if _, err := reports.Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
