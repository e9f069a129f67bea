package file_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

func TestMain(m *testing.M) {
	peer.Main(openPlace, nil)
	os.Exit(m.Run())
}

var ctx = context.Background()

// open returns a store in a folder of its own, and the folder.
func open(t testing.TB, opts *file.Options) (*file.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	if opts == nil {
		opts = &file.Options{SweepEvery: -1}
	}
	s, err := file.New(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

// paths are the files of the sessions.
func paths(t testing.TB, dir string) (all []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "[0-9a-f][0-9a-f]", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func create(t testing.TB, s store.Store, id, owner string) store.Revision {
	t.Helper()
	rev, err := s.Create(ctx, id, store.Record{Data: []byte("secret"), Owner: owner}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
