package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Func is a function that runs in a process of its own. in is what the one that
// started it writes, and out goes there. ctx ends when that one is gone, or its own
// context is done. An error ends the process with status 1.
type Func func(ctx context.Context, args []string, in io.Reader, out io.Writer) error

// variable holds the job of a process that was started by this package.
const variable = "SOJOURN_PEER"

// job is what a process is for.
type job struct {
	Func string   // "" is to serve a store
	Args []string // of a store it is one
}

// hello is the first line of a process that runs a function. Without it a test whose
// TestMain does not call Main would look like one that ran well.
const hello = "sojourn peer\n"

// patience is what a process has to end once it is told to, and what a call has to
// return once it is cancelled: more than the two seconds that a store may take.
var patience = 5 * time.Second

// Main does the job of a process that [Start], [Begin] or [Run] has started, and
// exits. In any other it returns at once. It must be called before anything else: by
// TestMain, as a rule.
//
// open makes the store that Start asks for, and may be nil where there is none. Its
// context ends with the process.
func Main(open func(ctx context.Context, arg string) (store.Store, error), funcs map[string]Func) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	_ = os.Unsetenv(variable) // or what this one starts would do the same job
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		exit(fmt.Errorf("%s: %w", variable, err))
	}
	// The standard output is not for whatever a store may print.
	out := os.Stdout
	os.Stdout = os.Stderr
	if j.Func == "" {
		if open == nil {
			exit(fmt.Errorf("Main was given no function to open a store"))
		}
		serve(open, j.Args[0], os.Stdin, out)
		exit(nil)
	}
	f, ok := funcs[j.Func]
	if !ok {
		exit(fmt.Errorf("Main was given no function %q; it has %q", j.Func, slices.Sorted(maps.Keys(funcs))))
	}
	ctx, cancel := context.WithCancel(context.Background())
	if runtime.GOOS != "windows" {
		go func() {
			// It is never written to, and closed when the one that started this is gone.
			_, _ = io.Copy(io.Discard, os.NewFile(3, "parent"))
			endSoon()
			cancel()
		}()
	}
	_, _ = io.WriteString(out, hello)
	exit(f(ctx, j.Args, os.Stdin, out))
}

// endSoon ends the process if it does not by itself.
func endSoon() {
	time.AfterFunc(patience, func() { exit(fmt.Errorf("did not end within %v of being told to", patience)) })
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
