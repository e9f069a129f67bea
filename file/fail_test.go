package file_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// failing is a disk of which one call fails.
type failing struct {
	at     int // which; -1 for none
	err    error
	after  bool // it is made all the same
	calls  int
	ops    []string
	struck string
}

func (f *failing) hook(op string, do func() error) error {
	f.calls++
	f.ops = append(f.ops, op)
	if f.calls-1 != f.at {
		return do()
	}
	f.struck = op
	if f.after {
		_ = do()
	}
	return f.err
}

// arm has the call that is n calls from now fail.
func (f *failing) arm(n int) { f.at, f.calls, f.ops, f.struck = n, 0, nil, "" }

// REL-03: of each verb each call of the disk fails once, in each way. The call returns an
// error that says so, what is stored is what it was or what it was to be, as the error
// says, the next call is right, and nothing is left open.
func TestREL03EachCallFails(t *testing.T) {
	const old, new = "old", "new"
	verbs := []struct {
		name string
		do   func(s *file.Store, v store.Revision) error
		want string // the data afterwards
	}{
		{"load", func(s *file.Store, _ store.Revision) error { _, err := s.Load(ctx, "a"); return err }, old},
		{"update", func(s *file.Store, v store.Revision) error {
			_, err := s.Update(ctx, "a", store.Record{Data: []byte(new), Owner: "bob"}, time.Hour, v)
			return err
		}, new},
		{"touch", func(s *file.Store, _ store.Revision) error { return s.Touch(ctx, "a", 2*time.Hour) }, old},
		{"delete", func(s *file.Store, _ store.Revision) error { return s.Delete(ctx, "a") }, ""},
		{"create", func(s *file.Store, _ store.Revision) error {
			if err := s.Delete(ctx, "a"); err != nil {
				return err
			}
			_, err := s.Create(ctx, "a", store.Record{Data: []byte(new), Owner: "alice"}, time.Hour)
			return err
		}, new},
		{"delete owner", func(s *file.Store, _ store.Revision) error { _, err := s.DeleteOwner(ctx, "alice"); return err }, ""},
		{"list", func(s *file.Store, _ store.Revision) error {
			for _, err := range s.List(ctx, store.Query{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}, old},
		{"count", func(s *file.Store, _ store.Revision) error { _, err := s.Count(ctx); return err }, old},
		{"clear", func(s *file.Store, _ store.Revision) error { return s.Clear(ctx) }, ""},
		{"sweep", func(s *file.Store, _ store.Revision) error { _, err := s.Sweep(ctx); return err }, old},
		{"ping", func(s *file.Store, _ store.Revision) error { return s.Ping(ctx) }, old},
	}
	ways := map[string]failing{
		"EIO": {err: &fs.PathError{Op: "call", Path: "path", Err: syscall.EIO}}, "ENOSPC": {err: syscall.ENOSPC}, "EIO though it was made": {err: &os.LinkError{Op: "call", Old: "old", New: "new", Err: syscall.EIO}, after: true},
		"a short write": {err: file.ErrShort{Err: syscall.ENOSPC}},
	}
	before := openFiles(t)
	for _, v := range verbs {
		for way, f := range ways {
			struck := map[string]int{}
			for n := 0; ; n++ {
				f.at = -1
				root := file.Disk(newPlatter())
				if way == "EIO" { // the real one is slower, and may leave something open
					var err error
					if root, err = file.OpenDisk(t.TempDir() + "/sessions"); err != nil {
						t.Fatal(err)
					}
				}
				told := 0
				s, err := file.NewOn(file.Hooked(root, f.hook), &file.Options{SweepEvery: -1, OnError: func(error) { told++ }})
				if err != nil {
					t.Fatal(err)
				}
				rev, err := s.Create(ctx, "a", store.Record{Data: []byte(old), Owner: "alice"}, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				f.arm(n)
				err = v.do(s, rev)
				hit, ops := f.struck, f.ops
				f.arm(-1)
				e, loadErr := s.Load(ctx, "a")
				got := string(e.Data)
				where := fmt.Sprintf("%s, call %d (%s) fails with %s: %v", v.name, n, hit, way, err)
				switch {
				case loadErr != nil && !errors.Is(loadErr, store.ErrNotFound):
					t.Errorf("%s; then Load: %v", where, loadErr)
				case err == nil && got != v.want:
					t.Errorf("%s; there is %q, want %q", where, got, v.want)
				case err != nil && got != old && got != v.want && v.name != "create":
					t.Errorf("%s; there is %q", where, got)
				case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrCorrupt):
					t.Errorf("%s, which says something else", where)
				case err != nil && !errors.Is(err, store.ErrUnknown) && v.name == "update" && got != old:
					t.Errorf("%s, but it was made", where)
				case err != nil && !errors.Is(err, store.ErrUnknown) && v.name == "delete" && got != old:
					t.Errorf("%s, but it was made", where)
				case hit != "remove" && len(temporary(t, root)) != 0:
					t.Errorf("%s; a temporary file is left", where)
				case errors.Is(err, syscall.ENOSPC) && errors.Is(err, store.ErrFull) == errors.Is(err, store.ErrUnknown):
					t.Errorf("%s, which is not ErrFull", where)
				}
				if loadErr == nil {
					found := 0
					for l, err := range s.List(ctx, store.Query{Owner: e.Owner}) {
						if err == nil && l.ID == "a" {
							found++
						}
					}
					if found != 1 {
						t.Errorf("%s; its owner %q finds it %d times", where, e.Owner, found)
					}
				}
				// What comes next is right.
				if err := s.Delete(ctx, "a"); err != nil {
					t.Errorf("%s; then Delete: %v", where, err)
				}
				if _, err := s.Create(ctx, "a", store.Record{}, time.Hour); err != nil {
					t.Errorf("%s; then Create: %v", where, err)
				}
				if _, err := s.Sweep(ctx); err != nil {
					t.Errorf("%s; then Sweep: %v", where, err)
				}
				if n := len(temporary(t, root)); n != 0 {
					t.Errorf("%s; %d temporary files are left after a sweep", where, n)
				}
				if err := s.Close(); err != nil {
					t.Errorf("%s; then Close: %v", where, err)
				}
				if hit == "" {
					if err != nil || n == 0 {
						t.Errorf("%s without a fault: %v after %d calls", v.name, err, n)
					}
					break
				}
				struck[hit]++
				// Of those of 256 folders that are not there some are enough.
				for n%16 > 0 && n+1 < len(ops) && ops[n] == "folder" && ops[n+1] == "folder" {
					n++
				}
			}
			if testing.Verbose() {
				t.Logf("%s, %s: %v", v.name, way, struck)
			}
		}
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// temporary are the files that are being written.
func temporary(t *testing.T, root file.Disk) (names []string) {
	t.Helper()
	folders, err := root.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range folders {
		d, err := root.Folder(name, false)
		if err != nil {
			continue // FORMAT
		}
		in, err := d.Names()
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
		for _, n := range in {
			if len(n) > 4 && n[:4] == "new-" {
				names = append(names, n)
			}
		}
	}
	return names
}

func openFiles(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // only Linux tells
	}
	return len(d)
}

// Of one file that the disk cannot read the others do not suffer: what goes through all of
// them goes on, and tells in the end.
func TestOneBadFile(t *testing.T) {
	var bad, struck string
	hook := func(op string, do func() error) error {
		if op == bad {
			struck, bad = bad, ""
			return syscall.EIO
		}
		return do()
	}
	var late time.Duration
	opts := &file.Options{SweepEvery: -1, Now: func() time.Time { return time.Now().Add(late) }}
	s, err := file.NewOn(file.Hooked(newPlatter(), hook), opts)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20
	for what, c := range map[string]struct {
		op string
		do func() (int, error)
	}{
		"delete owner":         {"read", func() (int, error) { return s.DeleteOwner(ctx, "alice") }},
		"delete owner, remove": {"remove", func() (int, error) { return s.DeleteOwner(ctx, "alice") }},
		"count":                {"head", func() (int, error) { return s.Count(ctx) }},
		"sweep":                {"head", func() (int, error) { late = 2 * time.Hour; defer func() { late = 0 }(); return s.Sweep(ctx) }},
		"list": {"read", func() (k int, err error) {
			for _, e := range s.List(ctx, store.Query{}) {
				if err = e; e == nil {
					k++
				}
			}
			return k, err
		}},
		"clear": {"remove", func() (int, error) { err := s.Clear(ctx); k, _ := s.Count(ctx); return n - k, err }},
	} {
		for i := range n {
			create(t, s, fmt.Sprint(i), "alice")
		}
		bad = c.op
		if k, err := c.do(); k != n-1 || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s, and one cannot be read: %d of %d, %v", what, k, n, err)
		}
		if err := s.Clear(ctx); err != nil {
			t.Errorf("%s: then Clear: %v", what, err)
		}
	}
	create(t, s, "a", "alice")
	bad = "read"
	if err := s.Delete(ctx, "a"); err != nil || struck != "read" {
		t.Errorf("delete of what cannot be read: %v", err)
	}
}

// A function of the caller's that panics leaves nothing locked.
func TestPanicLeavesNoLock(t *testing.T) {
	panics := false
	s, dir := open(t, &file.Options{SweepEvery: -1, Timeout: 50 * time.Millisecond, Now: func() time.Time {
		if panics {
			panic("no clock")
		}
		return time.Now()
	}})
	create(t, s, "a", "alice")
	panics = true
	func() {
		defer func() { _ = recover() }()
		_ = s.Touch(ctx, "a", time.Hour)
	}()
	panics = false
	other, err := file.New(dir, &file.Options{SweepEvery: -1, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*file.Store{s, other} {
		if err := s.Touch(ctx, "a", time.Hour); err != nil {
			t.Error(err)
		}
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// While Close waits for a call that takes long, no other one waits for Close.
func TestCloseHoldsUpNobody(t *testing.T) {
	reading, goOn := make(chan struct{}), make(chan struct{})
	slow := false
	hook := func(op string, do func() error) error {
		if slow && op == "read" {
			close(reading)
			<-goOn
		}
		return do()
	}
	s, err := file.NewOn(file.Hooked(newPlatter(), hook), &file.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "a", "")
	slow = true
	loaded, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.Load(ctx, "a"); loaded <- err }()
	<-reading
	slow = false
	go func() { closed <- s.Close() }()
	for err = nil; !errors.Is(err, store.ErrClosed); { // until Close has begun
		_, err = s.Load(ctx, "b")
	}
	select {
	case err := <-closed:
		t.Errorf("it has not waited: %v", err)
	default:
	}
	close(goOn)
	if err := errors.Join(<-loaded, <-closed); err != nil {
		t.Error(err)
	}
}
