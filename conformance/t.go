package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
)

// T is what one check runs on: a [testing.TB] of the suite's own, so that a
// suite can run without go test, and a broken store's failure can be looked at
// instead of failing a test.
type T struct {
	testing.TB // the test around it, if there is one; never asked to fail

	ctx  context.Context
	rng  *rand.Rand // of the check's own goroutine
	open Open
	id   string

	mu       sync.Mutex
	failed   bool
	late     bool   // it failed after its time was up, which says nothing of the store
	skip     string // why it was skipped; "" if it was not
	exempt   bool   // it was skipped because the requirement does not concern the store
	unsure   string // why it could not be decided
	lines    []string
	more     int      // lines beyond those
	calls    []string // the last before the first failure
	notes    []string
	trace    trace
	cleanups []func()
	nextID   int
	bubble   *bool // whether it runs in one, once it was asked
}

// run calls f as a test would be, and returns when it and its cleanups are done.
func (t *T) run(f func(*T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.cleanup()
		t.guard(func() { f(t) })
	}()
	<-done
}

// guard calls f and makes a panic of the store a failure of the check.
func (t *T) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("panic: %v\n%s", r, ownFrames(debug.Stack()))
		}
	}()
	f()
}

// ownFrames drops from a stack what lies above the panic, and its far end.
func ownFrames(stack []byte) string {
	lines := strings.Split(strings.TrimSpace(string(stack)), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") {
			lines = lines[min(i+2, len(lines)):]
			break
		}
	}
	return join(lines[:min(len(lines), 12)])
}

func (t *T) cleanup() {
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			return
		}
		f := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		func() {
			finished := false
			defer func() {
				if !finished {
					t.cleanup() // f ended its goroutine with FailNow
				}
			}()
			t.guard(f)
			finished = true
		}()
	}
}

// bubbled reports whether the check runs in a bubble of testing/synctest.
func (t *T) bubbled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bubble == nil {
		in := bubbleOf(ownStack()) != 0
		t.bubble = &in
	}
	return *t.bubble
}

// Cleanup has f called when the check is over, the last one first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Context is done when the check's time is up.
func (t *T) Context() context.Context { return t.ctx }

// Name is the requirement's id.
func (t *T) Name() string { return t.id }

// Helper does nothing: a failure names the requirement and the calls, not a line.
func (t *T) Helper() {}

// told is how many complaints of one check are kept. The first ones say what is
// wrong.
const told = 12

func (t *T) say(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == told {
		t.more++
		return
	}
	t.lines = append(t.lines, strings.TrimSuffix(line, "\n"))
}

// Log adds a line to the report of a failure.
func (t *T) Log(args ...any) { t.say(fmt.Sprintln(args...)) }

// Logf is Log with a format.
func (t *T) Logf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }

// Fail marks the requirement as broken. What fails after the check's time is up
// does not count: a store that is only slow is not wrong.
func (t *T) Fail() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		t.late = true
		return
	}
	if !t.failed {
		t.calls = t.trace.last() // those that came after explain nothing
	}
	t.failed = true
}

// FailNow is Fail, and ends the check.
func (t *T) FailNow() {
	t.Fail()
	runtime.Goexit()
}

// Failed reports whether the requirement is broken.
func (t *T) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed || t.late
}

// Error is Log and Fail.
func (t *T) Error(args ...any) { t.Log(args...); t.Fail() }

// Errorf is Logf and Fail.
func (t *T) Errorf(format string, args ...any) { t.Logf(format, args...); t.Fail() }

// Fatal is Log and FailNow.
func (t *T) Fatal(args ...any) { t.Log(args...); t.FailNow() }

// Fatalf is Logf and FailNow.
func (t *T) Fatalf(format string, args ...any) { t.Logf(format, args...); t.FailNow() }

// Skip ends the check, with a reason.
func (t *T) Skip(args ...any) { t.skipNow(strings.TrimSuffix(fmt.Sprintln(args...), "\n"), false) }

// Skipf is Skip with a format.
func (t *T) Skipf(format string, args ...any) { t.skipNow(fmt.Sprintf(format, args...), false) }

// SkipNow is Skip without a reason.
func (t *T) SkipNow() { t.skipNow("no reason given", false) }

// Skipped reports whether the check was skipped.
func (t *T) Skipped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.skip != ""
}

func (t *T) skipNow(why string, exempt bool) {
	t.mu.Lock()
	t.skip, t.exempt = why, exempt
	t.mu.Unlock()
	runtime.Goexit()
}

// doesNotApply ends the check of a requirement that does not concern the store.
func (t *T) doesNotApply(why string) { t.skipNow(why, true) }

// undecided ends the check without a verdict.
func (t *T) undecided(why string) {
	t.mu.Lock()
	t.unsure = why
	t.mu.Unlock()
	runtime.Goexit()
}

// note says what of the requirement could not be tested.
func (t *T) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.notes, what) {
		t.notes = append(t.notes, what)
	}
}

// TempDir returns a new folder that is removed after the check.
func (t *T) TempDir() string {
	dir, err := os.MkdirTemp("", "sojourn-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Setenv sets a variable for the time of the check.
func (t *T) Setenv(key, value string) {
	old, had := os.LookupEnv(key)
	if err := os.Setenv(key, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if had {
			_ = os.Setenv(key, old)
		} else {
			_ = os.Unsetenv(key)
		}
	})
}
