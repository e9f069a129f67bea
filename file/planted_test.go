//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// SEC-25: what is no plain file of ours is neither followed nor trusted, and Delete
// removes it.
func TestSEC25PlantedFiles(t *testing.T) {
	for what, plant := range map[string]func(path, copied string) error{
		"a symbolic link out": func(path, copied string) error { return os.Symlink(copied, path) },
		"a symbolic link inside": func(path, _ string) error {
			return errors.Join(os.Rename(path+".x", path+".y"), os.Symlink(filepath.Base(path)+".y", path))
		},
		"a hard link":               func(path, copied string) error { return os.Link(copied, path) },
		"a pipe":                    func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":                  func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"another session's file":    func(path, copied string) error { return os.WriteFile(path, []byte("SOJOURN1"), 0o600) },
		"a link to a device":        func(path, _ string) error { return os.Symlink("/dev/zero", path) },
		"a link that leads nowhere": func(path, _ string) error { return os.Symlink("nowhere", path) },
	} {
		t.Run(what, func(t *testing.T) {
			told := 0
			s, dir := open(t, &file.Options{SweepEvery: -1, OnError: func(error) { told++ }})
			rev := create(t, s, "a", "alice")
			path := paths(t, dir)[0]
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(filepath.Dir(dir), "copied")
			if err := errors.Join(os.WriteFile(copied, b, 0o600), os.Rename(path, path+".x"), plant(path, copied)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load(ctx, "a"); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("load: %v, want ErrCorrupt", err)
			}
			if _, err := s.Update(ctx, "a", store.Record{}, time.Hour, rev); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("update: %v, want ErrCorrupt", err)
			}
			if err := s.Touch(ctx, "a", time.Minute); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("touch: %v, want ErrCorrupt", err)
			}
			if told != 1 {
				t.Errorf("OnError was told %d times", told)
			}
			if n, err := s.Sweep(ctx); n != 0 || err != nil {
				t.Errorf("sweep: %d, %v", n, err)
			}
			create(t, s, "b", "alice") // nothing else is hindered
			if err := s.Delete(ctx, "a"); err != nil {
				t.Errorf("delete: %v", err)
			}
			create(t, s, "a", "")
			if b2, err := os.ReadFile(copied); err != nil || string(b2) != string(b) {
				t.Errorf("what the link led to was changed: %v", err)
			}
		})
	}
}

// SEC-25: rights, names, and folders that are not the store's.
func TestSEC25RightsAndNames(t *testing.T) {
	s, dir := open(t, nil)
	for _, id := range []string{"../../etc/passwd", "CON", "a/b", `c:\x`, ".", "..", strings.Repeat("%", 255)} {
		create(t, s, id, "../"+id[:1])
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(paths(t, dir)); n != 7 {
		t.Errorf("%d files, want 7", n)
	}
	for what, make := range map[string]func(dir string) error{
		"a folder with other things": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+"/x", nil, 0o600))
		},
		"a folder that others may write to": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) },
		"a file":                            func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"another version's": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+"/FORMAT", []byte("x"), 0o600))
		},
		"no parent": func(string) error { return nil },
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if what == "no parent" {
			dir = filepath.Join(dir, "e")
		}
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		if s, err := file.New(dir, nil); err == nil {
			t.Errorf("%s: it was opened", what)
			_ = s.Close()
		} else {
			t.Log(err)
		}
	}
}

// REL-06: each byte turned over, each length.
func TestTornFiles(t *testing.T) {
	s, dir := open(t, nil)
	create(t, s, "a", "alice")
	path := paths(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte, what string, i int) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(ctx, "a"); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s %d: %v, want ErrCorrupt", what, i, err)
		}
	}
	for i := range whole {
		b := []byte(string(whole))
		b[i] ^= 0x40
		try(b, "byte", i)
		try(whole[:i], "length", i)
	}
	try(append([]byte(string(whole)), 0), "one more than", len(whole))
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Load(ctx, "a"); err != nil || string(e.Data) != "secret" || e.Owner != "alice" {
		t.Errorf("whole again: %v", err)
	}
}

// Somebody removes what is in the folder while two stores use it. The sessions are gone, and
// everything goes on: both see what the other one makes.
func TestFoldersAreRemoved(t *testing.T) {
	s, dir := open(t, nil)
	other, err := file.New(dir, &file.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	remove := func() {
		all, err := filepath.Glob(filepath.Join(dir, "*"))
		for _, path := range all {
			err = errors.Join(err, os.RemoveAll(path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []store.Store{s, other} {
		create(t, s, "a", "alice")
		if n, err := store.DeleteOwner(ctx, other, "alice"); n != 1 || err != nil {
			t.Fatalf("delete owner: %d, %v", n, err)
		}
		create(t, s, "a", "alice")
		remove()
		if _, err := other.Load(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("load: %v", err)
		}
	}
	rev := create(t, s, "a", "alice")
	if _, err := other.Load(ctx, "a"); err != nil {
		t.Errorf("load by the other: %v", err)
	}
	if _, err := other.Update(ctx, "a", store.Record{Owner: "alice"}, time.Hour, rev); err != nil {
		t.Errorf("update by the other: %v", err)
	}
	for _, s := range []*file.Store{s, other} {
		if n, err := s.Count(ctx); n != 1 || err != nil {
			t.Errorf("count: %d, %v", n, err)
		}
	}
	if n, err := s.DeleteOwner(ctx, "alice"); n != 1 || err != nil {
		t.Errorf("delete owner: %d, %v", n, err)
	}
	again, err := file.New(dir, &file.Options{SweepEvery: -1}) // FORMAT is gone too
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.Close(), os.RemoveAll(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, "b", store.Record{}, time.Hour); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("create where there is no folder any more: %v", err)
	}
	if _, err := s.Load(ctx, "nobody"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("load where there is no folder any more: %v", err)
	}
	if n, err := s.Count(ctx); err == nil {
		t.Errorf("count where there is no folder any more: %d", n)
	}
}
