package file_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// golden is a file as version 1 has written it, of the session "an-id" of alice, which ends
// with the year 2199.
const golden = `
534f4a4f55524e31 0000bac93a04ba64 0e806afe
1122334455667788 0500 0500 09000000
616e2d6964 616c696365 746865206461746131
58ad1122`

// REL-20: what was written once is read for ever.
func TestREL20OldFiles(t *testing.T) {
	s, dir := open(t, nil)
	b, err := hex.DecodeString(strings.Join(strings.Fields(golden), ""))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(file.PathOf("an-id")))
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	e, err := s.Load(ctx, "an-id")
	if err != nil || string(e.Data) != "the data1" || e.Owner != "alice" || e.Revision != 0x8877665544332211 {
		t.Fatalf("%q of %s, revision %#x, %v", e.Data, e.Owner, uint64(e.Revision), err)
	}
	if ends := time.Now().Add(e.TTL).UTC().Round(time.Minute); !ends.Equal(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("it ends at %v", ends)
	}
	if _, err := s.Update(ctx, "an-id", store.Record{Owner: "alice"}, time.Hour, e.Revision); err != nil {
		t.Error(err)
	}
}
