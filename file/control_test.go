package file_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

// place is a store in a process of its own.
type place struct {
	Dir     string
	MaxData int
	Ask     string // the socket of who says which calls of the disk fail; "" for none
}

func (p *place) options() *file.Options { return &file.Options{MaxData: p.MaxData, SweepEvery: -1} }

func (p *place) start(ctx context.Context) (*peer.Store, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return peer.Start(ctx, string(text))
}

// openPlace is what runs in the other process.
func openPlace(_ context.Context, arg string) (store.Store, error) {
	var p place
	if err := json.Unmarshal([]byte(arg), &p); err != nil {
		return nil, err
	}
	if p.Ask == "" {
		return file.New(p.Dir, p.options())
	}
	root, err := file.OpenDisk(p.Dir)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("unix", p.Ask)
	if err != nil {
		return nil, err
	}
	armed, err := os.Open(p.Ask + armedName)
	if err != nil {
		return nil, err
	}
	a := &asker{armed: armed, c: c, answers: bufio.NewScanner(c)}
	return file.NewOn(file.Hooked(root, a.hook), p.options())
}

// asker asks before each call of the disk what is to become of it.
type asker struct {
	armed   *os.File // whether to ask at all: all calls but a few go well
	mu      sync.Mutex
	c       net.Conn
	answers *bufio.Scanner
}

// The answers.
const (
	proceed = "proceed"
	noRoom  = "no room"
	fail    = "fail"
	pretend = "fail though it is made" // and then ask again, what is to become of "made"
)

func (a *asker) ask(what string) string {
	if _, err := fmt.Fprintln(a.c, what); err != nil || !a.answers.Scan() {
		return proceed // nobody is there any more
	}
	return a.answers.Text()
}

func (a *asker) hook(op string, do func() error) error {
	var b [1]byte
	if _, err := a.armed.ReadAt(b[:], 0); err != nil || b[0] == 0 {
		return do()
	}
	a.mu.Lock()
	switch a.ask(op) {
	case noRoom:
		defer a.mu.Unlock()
		return syscall.ENOSPC
	case fail:
		defer a.mu.Unlock()
		return syscall.EIO
	case pretend:
		defer a.mu.Unlock()
		err := do()
		a.ask("made")
		return errors.Join(syscall.EIO, err)
	}
	a.mu.Unlock()
	return do()
}

// faults says what is to become of the calls of the disks of other processes.
//
// A store has no connection to its disk that could break. What comes nearest is the
// folder's lock: a request is lost when that cannot be had, and a reply when it cannot
// be given back, which is when others may come in between.
type faults struct {
	armed   string
	mu      sync.Mutex
	f       conformance.Fault
	strikes int
	between func()
}

const armedName = ".armed"

func (f *faults) arm(on byte) error { return os.WriteFile(f.armed, []byte{on}, 0o600) }

// newFaults answers those who ask at a socket.
func newFaults(tb testing.TB, socket string) *faults {
	l, err := net.Listen("unix", socket)
	if err != nil {
		tb.Fatal(err)
	}
	var all sync.WaitGroup
	f := &faults{armed: socket + armedName}
	if err := f.arm(0); err != nil {
		tb.Fatal(err)
	}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(c) })
		}
	})
	tb.Cleanup(func() { _ = l.Close(); all.Wait() })
	return f
}

func (f *faults) serve(c net.Conn) {
	defer c.Close()
	for ops := bufio.NewScanner(c); ops.Scan(); {
		if _, err := fmt.Fprintln(c, f.verdict(ops.Text())); err != nil {
			return
		}
	}
}

func (f *faults) verdict(op string) string {
	f.mu.Lock()
	verdict, between := f.judge(op), func() {}
	if verdict != proceed {
		f.strikes++
	}
	if op == "made" || verdict == fail && f.f.Kind == "" {
		between, f.between = f.between, nil
	}
	f.mu.Unlock()
	if between != nil {
		between()
	}
	return verdict
}

func (f *faults) judge(op string) string {
	switch kind := f.f.Kind; {
	case op == "unlock" && kind == conformance.LoseReply:
		f.f.Kind = ""
		return pretend
	case op == "lock" && kind == conformance.LoseRequest:
		f.f.Kind = ""
		return fail
	case op == "unlock" || op == "made":
		return proceed
	case kind == conformance.Refuse:
		return fail
	case kind == conformance.Reject:
		return noRoom
	}
	return proceed
}

// fail is [conformance.Subject.Break].
func (f *faults) fail(_ context.Context, ft conformance.Fault) (undo func() int, err error) {
	if ft.Kind == conformance.Hang {
		return nil, fmt.Errorf("a call of the system cannot be ended: %w", errors.ErrUnsupported)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.f, f.between, f.strikes = ft, ft.Between, 0
	return func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.f.Kind = ""
		_ = f.arm(0)
		return f.strikes
	}, f.arm(1)
}
