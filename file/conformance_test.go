package file_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/store"
)

// The store runs in a process of its own, which is killed, and so does the other handle.
func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return newSubject(tb).hooks() }, conformance.Strict(), reports.Save(t))
}

type subject struct {
	tb      testing.TB
	place   place
	process *peer.Store
	faults  *faults
}

func newSubject(tb testing.TB) *subject {
	dir := tb.TempDir()
	sub := &subject{tb: tb, place: place{
		Dir: filepath.Join(dir, "sessions"), Ask: filepath.Join(dir, "ask"), MaxData: 1 << 20,
	}}
	sub.faults = newFaults(tb, sub.place.Ask)
	if err := sub.start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return sub
}

func (sub *subject) start(ctx context.Context) (err error) {
	sub.process, err = sub.place.start(ctx)
	if err == nil {
		p := sub.process
		sub.tb.Cleanup(func() { _ = p.Close() })
	}
	return err
}

func (sub *subject) hooks() conformance.Subject {
	peer := func(ctx context.Context) (store.Store, error) {
		other := sub.place
		other.Ask = ""
		return other.start(ctx)
	}
	return conformance.Subject{
		Store: file.InProcess{Store: sub.process},
		Age:   sub.age,
		Peer:  peer,
		// Processes of one machine have one clock.
		Skewed:     func(ctx context.Context, _ time.Duration) (store.Store, error) { return peer(ctx) },
		Reopen:     sub.reopen,
		Crash:      sub.crash,
		Break:      sub.faults.fail,
		Corrupt:    sub.corrupt,
		LoseIndex:  sub.loseIndex,
		Sweeping:   sub.sweeping,
		Raw:        sub.raw,
		Rows:       func(context.Context) (int, error) { return len(paths(sub.tb, sub.place.Dir)), nil },
		MaxData:    sub.place.MaxData,
		Precision:  time.Microsecond,
		Durability: "power cut",
		Server:     map[string]string{"linux": "Linux", "darwin": "macOS"}[runtime.GOOS],
	}
}

func (sub *subject) reopen(ctx context.Context) (store.Store, error) {
	if err := sub.process.Close(); err != nil {
		return nil, err
	}
	err := sub.start(ctx)
	return sub.process, err
}

func (sub *subject) crash(ctx context.Context) (store.Store, error) {
	if err := sub.process.Kill(); err != nil {
		return nil, err
	}
	err := sub.start(ctx)
	return sub.process, err
}

// age moves the deadline of each file.
func (sub *subject) age(_ context.Context, d time.Duration) error {
	for _, path := range paths(sub.tb, sub.place.Dir) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		b := make([]byte, file.DeadlineEnd)
		if _, err = f.ReadAt(b, 0); err == nil {
			if at, ok := file.DecodeDeadline(b); ok {
				_, err = f.WriteAt(file.EncodeDeadline(at.Add(-d)), file.DeadlineAt)
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (sub *subject) corrupt(_ context.Context, id string) error {
	path := filepath.Join(sub.place.Dir, filepath.FromSlash(file.PathOf(id)))
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

func (sub *subject) loseIndex(context.Context) error {
	folders, err := filepath.Glob(filepath.Join(sub.place.Dir, "owner-*"))
	for _, dir := range folders {
		var entries []os.DirEntry
		entries, err = os.ReadDir(dir)
		for _, e := range entries {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// sweeping has a sweeper whose first look at a folder fails.
func (sub *subject) sweeping(_ context.Context, onError func(error)) (store.Store, error) {
	root, err := file.OpenDisk(sub.place.Dir)
	if err != nil {
		return nil, err
	}
	var failed atomic.Bool
	hook := func(op string, do func() error) error {
		if op == "names" && !failed.Swap(true) {
			return syscall.EIO
		}
		return do()
	}
	return file.NewOn(file.Hooked(root, hook), &file.Options{SweepEvery: 20 * time.Millisecond, OnError: onError})
}

// raw is what is in all files, and what they are called.
func (sub *subject) raw(context.Context) ([]byte, error) {
	var all bytes.Buffer
	err := filepath.WalkDir(sub.place.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all.WriteString(strings.TrimPrefix(path, sub.place.Dir))
		if d.IsDir() {
			return nil
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	return all.Bytes(), err
}
