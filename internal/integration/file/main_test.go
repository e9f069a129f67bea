// Package file_test runs the store in files as programs do: in several processes, which are
// killed, on a disk that has no room, and below the counter.
package file_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

var ctx = context.Background()

// updateIn names the folder in the process that TestREL04SyncFails looks at from outside, and
// updates is what that does.
const updateIn = "SOJOURN_TEST_UPDATE_IN"

var updates func(dir string)

func TestMain(m *testing.M) {
	if dir := os.Getenv(updateIn); dir != "" {
		updates(dir)
		return
	}
	peer.Main(open, map[string]peer.Func{"count": together.Counting(open), "write": write})
	os.Exit(m.Run())
}

var full = verbs.Full

func open(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, file.Opener)
}

// folder is a store of a test's own, without a sweeper.
func folder(t *testing.T) (url string, s *file.Store) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	s, err := file.New(dir, &file.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return "file:" + dir + "?sweep_every=-1s", s
}

// write updates the session args[1] again and again, until it has ended.
func write(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	s, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	defer store.Close(s)
	for {
		e, err := s.Load(ctx, args[1])
		if err == nil {
			_, err = s.Update(ctx, args[1], store.Record{Data: append(e.Data[:0:0], e.Data...), Owner: e.Owner}, time.Hour, e.Revision)
		}
		if err == nil {
			_, err = out.Write([]byte{'.'})
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
