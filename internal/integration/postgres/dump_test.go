package postgres_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
)

// SEC-04: what pg_dump gives out has a session's data and owner, and nowhere what is
// in its cookie, in any encoding.
func TestDumpGivesNoLogin(t *testing.T) {
	sv := shared.Container(t)
	x := newTable(t, sv.URL())
	ids := dump.Fill(t, x.open(t, x.pool))
	// Both forms of the dump: statements, and rows as bytes.
	for _, form := range [][]string{{"--inserts"}, {}} {
		args := append([]string{"pg_dump", "-U", "sojourn", "-d", "sojourn", "-t", x.name()}, form...)
		text, err := sv.Exec(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, hex.EncodeToString([]byte(dump.Data))) {
			t.Fatalf("the dump does not hold the sessions' data:\n%s", text)
		}
		dump.Search(t, "the dump", text, ids)
	}
}
