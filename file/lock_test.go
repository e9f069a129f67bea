//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// Another process has the lock of a folder and does not give it back. Readers do not care;
// writers give up at their deadline or after Options.Timeout, and have changed nothing.
func TestLockIsNotGivenBack(t *testing.T) {
	s, dir := open(t, &file.Options{SweepEvery: -1, Timeout: 50 * time.Millisecond})
	rev := create(t, s, "a", "alice")
	f, err := os.Open(filepath.Dir(paths(t, dir)[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	update := func(ctx context.Context) error {
		_, err := s.Update(ctx, "a", store.Record{Data: []byte("new")}, time.Hour, rev)
		return err
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	for what, err := range map[string]error{"with a deadline": update(short), "without": update(ctx)} {
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := update(ctx); !strings.Contains(err.Error(), "other writers") {
		t.Errorf("the error does not say why: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := update(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if e, err := s.Load(ctx, "a"); err != nil || string(e.Data) != "secret" {
		t.Errorf("load: %q, %v", e.Data, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := update(ctx); err != nil {
		t.Errorf("when the lock is free: %v", err)
	}
}
