package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

func init() { updates = update }

// update makes one update, and prints what came of it and what is there then. strace counts
// the calls of a thread.
func update(dir string) {
	runtime.LockOSThread()
	s, err := file.New(dir, &file.Options{SweepEvery: -1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	e, err := s.Load(ctx, "a")
	if err == nil {
		_, err = s.Update(ctx, "a", store.Record{Data: []byte("new"), Owner: e.Owner}, time.Hour, e.Revision)
	}
	var kinds []string
	for _, kind := range []error{store.ErrUnknown, store.ErrFull, store.ErrConflict, store.ErrNotFound} {
		if errors.Is(err, kind) {
			kinds = append(kinds, kind.Error())
		}
	}
	e, loaded := s.Load(ctx, "a")
	fmt.Printf("%q %q %s %v\n", fmt.Sprint(err), kinds, e.Data, loaded)
}

// REL-04, with the system's own calls: the file is synced before it is renamed and the
// folder after it, and a sync that fails is an error, of which nobody says later that it
// went well after all.
func TestREL04SyncFails(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("SOJOURN_TEST_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip("strace is not there, which makes calls of the system fail")
	}
	run := func(t *testing.T, fails int) (said string, calls []string) {
		t.Helper()
		url, s := folder(t)
		dir, _, _ := strings.Cut(strings.TrimPrefix(url, "file:"), "?")
		if _, err := s.Create(ctx, "a", store.Record{Data: []byte("old"), Owner: "alice"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		log := filepath.Join(t.TempDir(), "calls")
		args := []string{"-f", "-q", "-y", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,flock"}
		if fails > 0 {
			args = append(args, "-e", fmt.Sprintf("inject=fsync:error=EIO:when=%d", fails))
		}
		cmd := exec.CommandContext(t.Context(), strace, append(args, os.Args[0])...)
		cmd.Env = append(os.Environ(), updateIn+"="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\d+ +(fsync|renameat\w*|flock)\(\d+<([^>]*)>`).FindAllStringSubmatch(string(text), -1) {
			call, path := m[1], strings.TrimPrefix(strings.TrimPrefix(m[2], dir), "/")
			call, _, _ = strings.Cut(call, "at")
			kind := "the root"
			switch parts := strings.Split(path, "/"); {
			case strings.HasPrefix(path, "owner-"):
				kind = "the owners"
			case len(parts) == 2:
				kind = "the file"
			case len(path) == 2:
				kind = "the folder"
			}
			calls = append(calls, call+" "+kind)
		}
		return strings.TrimSpace(string(out)), calls
	}
	said, calls := run(t, 0)
	if said != `"<nil>" [] new <nil>` {
		t.Errorf("without a fault: %s", said)
	}
	order := strings.Join(calls, ", ")
	if !strings.HasSuffix(order, "fsync the file, rename the folder, fsync the folder, flock the folder") {
		t.Errorf("the calls are: %s", order)
	}
	syncs := strings.Count(order, "fsync")
	for n := 1; n <= syncs; n++ {
		said, calls := run(t, n)
		what := ""
		for _, c := range calls {
			if strings.HasPrefix(c, "fsync") {
				what = c // the last one: nothing is synced after the one that fails
			}
		}
		t.Logf("sync %d of %d fails (%s): %s", n, syncs, what, said)
		want := `\[\] old <nil>$`
		if what == "fsync the folder" {
			want = `\["` + store.ErrUnknown.Error() + `"\] new <nil>$`
		}
		if !regexp.MustCompile(`input/output error.*` + want).MatchString(said) {
			t.Errorf("%s fails: %s", what, said)
		}
		if got := strings.Count(strings.Join(calls, ","), "fsync"); got != n {
			t.Errorf("%d syncs, of which number %d failed", got, n)
		}
	}
}
