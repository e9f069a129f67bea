package redis_test

import (
	"path"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
	"github.com/sojourn-go/sojourn/internal/integration/server"
)

// SEC-04: what the server writes to its disk has a session's data, and nowhere what is in
// its cookie, in any encoding: neither the log of what was sent to it, nor a snapshot.
func TestDumpGivesNoLogin(t *testing.T) {
	t.Parallel()
	sv := server.New(t, server.Redis())
	x := newSpace(t, sv.URL())
	ids := dump.Fill(t, x.open(t, x.client))
	x.do(t, "config", "set", "rdbcompression", "no") // or an id might hide in what is compressed
	x.do(t, "save")
	config := func(name string) string {
		t.Helper()
		out, err := x.client.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		return out[name]
	}
	dir := config("dir")
	for what, file := range map[string]string{
		"the snapshot": config("dbfilename"),
		"the log":      path.Join(config("appenddirname"), config("appendfilename")+".1.incr.aof"),
	} {
		text, err := sv.Exec(t.Context(), "cat", path.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text, dump.Data); n < len(ids) {
			t.Fatalf("%s holds the data of %d sessions, want %d", what, n, len(ids))
		}
		dump.Search(t, what, text, ids)
	}
}
