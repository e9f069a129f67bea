package file_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// REL-05: the disk is full. What cannot be written is ErrFull and changes nothing, what
// ends a session still does, and when there is room again it goes on by itself.
func TestREL05DiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=700"); err != nil {
		if os.Getenv("SOJOURN_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skipf("only root can mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s, err := file.New(filepath.Join(dir, "sessions"), &file.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Create(t.Context(), "short", store.Record{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	later, err := file.New(filepath.Join(dir, "sessions"), &file.Options{
		SweepEvery: -1, Now: func() time.Time { return time.Now().Add(10 * time.Minute) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = later.Close() })
	data := make([]byte, 16<<10)
	revs := map[string]store.Revision{}
	var full error
	for n := 0; full == nil; n++ {
		id := fmt.Sprint(n)
		var v store.Revision
		if v, full = s.Create(t.Context(), id, store.Record{Data: data, Owner: "alice"}, time.Hour); full == nil {
			revs[id] = v
		}
		if n > 1000 {
			t.Fatal("the disk has room for all")
		}
	}
	data[0] = 1
	_, updated := s.Update(t.Context(), "0", store.Record{Data: data, Owner: "alice"}, time.Hour, revs["0"])
	for what, err := range map[string]error{"create": full, "update": updated} {
		if !errors.Is(err, store.ErrFull) || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: got %v, want ErrFull", what, err)
		}
	}
	if e, err := s.Load(t.Context(), "0"); err != nil || e.Data[0] != 0 || e.Revision != revs["0"] {
		t.Errorf("what was there: %v", err)
	}
	if all, err := filepath.Glob(filepath.Join(dir, "sessions", "??", "new-*")); err != nil || len(all) != 0 {
		t.Errorf("there is left %q, %v", all, err)
	}
	if n, err := later.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
	if n, err := s.Count(t.Context()); n != len(revs) || err != nil {
		t.Errorf("count: %d, want %d; %v", n, len(revs), err)
	}
	if err := s.Touch(t.Context(), "1", 2*time.Hour); err != nil {
		t.Errorf("touch: %v", err)
	}
	if err := s.Delete(t.Context(), "1"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := s.Update(t.Context(), "0", store.Record{Data: data, Owner: "alice"}, time.Hour, revs["0"]); err != nil {
		t.Errorf("update, when there is room: %v", err)
	}
	if n, err := s.DeleteOwner(t.Context(), "alice"); n != len(revs)-1 || err != nil {
		t.Errorf("delete owner: %d, want %d; %v", n, len(revs)-1, err)
	}
}
