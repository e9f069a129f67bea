package conformance

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Latest is the newest edition.
const Latest = "2026.1"

// What a green run means must not change behind an author's back. An edition is
// a list of ids that is frozen with the release that brings it.
//
//go:embed editions/*.txt
var editionFiles embed.FS

type edition struct {
	name  string
	draft bool // not frozen yet: no release has it
	ids   []string
}

// digest names the content of the edition.
func (e edition) digest() string {
	sum := sha256.Sum256([]byte(strings.Join(e.ids, "\n")))
	return "sha256:" + hex.EncodeToString(sum[:8])
}

func loadEdition(name string) (edition, error) {
	text, err := editionFiles.ReadFile(path.Join("editions", name+".txt"))
	if err != nil {
		return edition{}, fmt.Errorf("conformance: there is no edition %q; the editions are %s", name, strings.Join(editionNames(), ", "))
	}
	return parseEdition(name, string(text))
}

func editionNames() []string {
	var names []string
	entries, _ := editionFiles.ReadDir("editions") // embedded: cannot fail
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".txt"))
	}
	return names
}

// parseEdition reads one id a line. A line that begins with # is a comment, and
// "# draft" alone says that the list may still change.
func parseEdition(name, text string) (edition, error) {
	e := edition{name: name}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "# draft":
			e.draft = true
		case line == "", strings.HasPrefix(line, "#"):
		case slices.Contains(e.ids, line):
			return e, fmt.Errorf("conformance: edition %s has %s twice", name, line)
		default:
			if _, ok := find(line); !ok {
				return e, fmt.Errorf("conformance: edition %s has %q, which is no requirement", name, line)
			}
			e.ids = append(e.ids, line)
		}
	}
	return e, nil
}
