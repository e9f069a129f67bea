package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The sentences of the suite are those that an author reads on the interfaces.
func TestSentencesAreThoseOfTheContract(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../store/store.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	abilities, err := parser.ParseFile(token.NewFileSet(), "../store/ability.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	item := regexp.MustCompile(`^([A-Z]+-\d+) (.*)$`)
	written := map[string]string{}
	for _, g := range slices.Concat(file.Comments, abilities.Comments) {
		for id, sentence := range sentences(g, item) {
			if _, twice := written[id]; twice {
				t.Errorf("%s stands twice in package store", id)
			}
			written[id] = sentence
		}
	}
	for _, r := range requirements {
		if got := written[r.ID]; got != r.Sentence {
			t.Errorf("%s\n  in package store: %s\n  in the suite:     %s", r.ID, got, r.Sentence)
		}
		delete(written, r.ID)
	}
	for id := range written {
		t.Errorf("%s stands in package store and has no check", id)
	}
}

// sentences are the list items of a comment that begin with an id.
func sentences(g *ast.CommentGroup, item *regexp.Regexp) map[string]string {
	out := map[string]string{}
	id := ""
	for line := range strings.Lines(g.Text()) {
		text := strings.TrimSpace(line)
		rest, isItem := strings.CutPrefix(text, "- ")
		switch m := item.FindStringSubmatch(rest); {
		case isItem && m != nil:
			id = m[1]
			out[id] = m[2]
		case text == "" || isItem || !strings.HasPrefix(line, "  "):
			id = ""
		case id != "":
			out[id] += " " + text
		}
	}
	return out
}

// frozen are the digests of the editions that a release has. A frozen list never
// changes: a sharper check is a new id in a newer edition.
var frozen = map[string]string{}

func TestEditions(t *testing.T) {
	covered := map[string]bool{}
	for _, name := range editionNames() {
		e, err := loadEdition(name)
		if err != nil {
			t.Fatal(err)
		}
		if complaint := thaw(e, frozen); complaint != "" {
			t.Error(complaint)
		}
		for _, id := range e.ids {
			covered[id] = true
		}
	}
	for _, r := range requirements {
		if !covered[r.ID] {
			t.Errorf("%s is in no edition", r.ID)
		}
	}
	// That the watch works: a frozen list from which an id was taken.
	e, _ := loadEdition(Latest)
	e.draft = false
	digests := map[string]string{e.name: e.digest()}
	if complaint := thaw(e, digests); complaint != "" {
		t.Errorf("an edition as it was frozen: %s", complaint)
	}
	e.ids = e.ids[1:]
	if thaw(e, digests) == "" {
		t.Error("a frozen edition lost an id, and nobody complained")
	}
}

// thaw complains of an edition that is frozen and not what it was.
func thaw(e edition, digests map[string]string) string {
	want, known := digests[e.name]
	switch {
	case e.draft && known:
		return "edition " + e.name + " is frozen, and calls itself a draft"
	case !e.draft && !known:
		return "edition " + e.name + " is not a draft, and its digest is not pinned"
	case known && e.digest() != want:
		return "edition " + e.name + " is frozen, and has changed: bring a new edition instead"
	}
	return ""
}

func TestUnknownEditionNamesThoseThereAre(t *testing.T) {
	if _, err := loadEdition("1999.1"); err == nil || !strings.Contains(err.Error(), Latest) {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"NOPE-1", "LOAD-1\nLOAD-1"} {
		if _, err := parseEdition("x", text); err == nil {
			t.Errorf("%q was taken for an edition", text)
		}
	}
}
