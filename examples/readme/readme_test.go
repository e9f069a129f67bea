// Package readme holds the programs that the README shows, and keeps it to them.
package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// What a reader copies has been compiled and run: each block of Go stands word for
// word in the file that the comment above it names.
func TestCodeIsThatOfTheFiles(t *testing.T) {
	readme := read(t, "README.md")
	blocks := regexp.MustCompile("(?m)^(?:<!-- (\\S+) -->\n)?```go\n((?:.*\n)*?)```$").FindAllStringSubmatch(readme, -1)
	if n := strings.Count(readme, "```go"); n != len(blocks) || n == 0 {
		t.Fatalf("%d blocks of Go, %d of them understood", n, len(blocks))
	}
	for _, b := range blocks {
		if b[1] == "" {
			t.Errorf("a block of Go names no file:\n%s", b[2])
			continue
		}
		if !strings.Contains(flat(read(t, b[1])), flat(b[2])) {
			t.Errorf("this does not stand in %s:\n%s", b[1], b[2])
		}
	}
}

// flat is text without indentation.
func flat(s string) string { return regexp.MustCompile(`(?m)^\s+`).ReplaceAllString(s, "") }

func TestLinksLeadSomewhere(t *testing.T) {
	readme := read(t, "README.md")
	for _, m := range regexp.MustCompile(`\]\(([\w./-]+)\)`).FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("link: %v", err)
		}
	}
	for _, m := range regexp.MustCompile("(?s)\\]\\(([^)]+_test.go)\\): `(Test\\w+)`").FindAllStringSubmatch(readme, -1) {
		if !strings.Contains(read(t, m[1]), "func "+m[2]+"(") {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
}

func TestFirstScreen(t *testing.T) {
	readme := read(t, "README.md")
	if i := strings.Index(readme, "| store | import |"); i < 0 || strings.Count(readme[:i], "\n") > 50 {
		t.Error("the sentence, the commands, the program and the stores do not fit on one screen")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
