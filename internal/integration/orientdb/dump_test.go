package orientdb_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// SEC-04: what the database gives out has a session's data and owner, and nowhere what is in
// its cookie, in any encoding; neither while the sessions live nor when they were ended.
func TestDumpGivesNoLogin(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	ids := dump.Fill(t, s)
	text, raw := x.dump(t)
	if !strings.Contains(raw, dump.Data) {
		t.Fatal("the dump does not hold the sessions' data")
	}
	dump.Search(t, "the dump", text+raw, ids)
	stored := listed(t, s)
	for _, id := range stored {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	text, raw = x.dump(t)
	if len(stored) != len(ids) || strings.Contains(raw, dump.Data) {
		t.Errorf("%d sessions were ended, want %d; then there is %q", len(stored), len(ids), raw)
	}
	dump.Search(t, "the dump after the end", text+raw, ids)
}

// searched does the same to the files of a server, which was started again since: in its log
// an id is broken into pieces, and what it closes is written as a whole.
func searched(t *testing.T, sv *server.Server, ids, stored []string) {
	t.Helper()
	// Most of a file is nothing yet.
	files, err := sv.Exec(t.Context(), "sh", "-c", `tar -C /orientdb/databases -c . | tr -s '\000'`)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range stored {
		if !strings.Contains(files, id) {
			t.Fatalf("the server's %d bytes of files do not hold the id under which a session is stored", len(files))
		}
	}
	dump.Search(t, "a file of the server", files, ids)
}

// listed are the ids under which sessions are stored.
func listed(tb testing.TB, s store.Store) (ids []string) {
	tb.Helper()
	for l, err := range store.List(tb.Context(), s, store.Query{}) {
		if err != nil {
			tb.Fatal(err)
		}
		ids = append(ids, l.ID)
	}
	return ids
}

// dump is all that is in the class, as the server gives it out, and the data in it as bytes.
func (x *class) dump(tb testing.TB) (text, raw string) {
	tb.Helper()
	found := x.sql(tb, "SELECT FROM {class}", nil)
	all, err := json.Marshal(found)
	if err != nil {
		tb.Fatal(err)
	}
	for _, line := range found {
		data, _ := line["data"].(string)
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			tb.Fatal(err)
		}
		raw += string(b)
	}
	return string(all), raw
}
