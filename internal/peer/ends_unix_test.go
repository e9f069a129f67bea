//go:build unix

package peer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

// A process that does not answer at all does not hold up a call beyond its deadline. What
// was sent to it may yet happen.
func TestStoppedProcess(t *testing.T) {
	s := start(t, "memory")
	signal(t, s, syscall.SIGSTOP)
	for name, call := range calls(s) {
		err := sent(t, call)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) != writes(name) {
			t.Errorf("%s: %v, want context.DeadlineExceeded, and ErrUnknown for a write", name, err)
		}
	}
	signal(t, s, syscall.SIGCONT)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// From when its pipe is full nothing is sent to a process that does not read, so nothing
// has happened.
func TestStoppedProcessWithAFullPipe(t *testing.T) {
	s := start(t, "memory")
	signal(t, s, syscall.SIGSTOP)
	big := store.Record{Data: make([]byte, 1<<20)}
	create := func(ctx context.Context) error { _, err := s.Create(ctx, "big", big, time.Hour); return err }
	if err := sent(t, create); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("the one that fills the pipe: %v, want ErrUnknown", err)
	}
	big.Data[0]++ // is the caller's again
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := create(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("the next one: %v, want context.DeadlineExceeded alone", err)
	}
	signal(t, s, syscall.SIGCONT)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}

// sent makes a call with a deadline that is long enough for it to be sent, on a busy
// machine too.
func sent(t *testing.T, call func(context.Context) error) error {
	t.Helper()
	for d := 2 * time.Millisecond; ; d *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		err := call(ctx)
		cancel()
		if d > 5*time.Second || err == nil || !strings.Contains(err.Error(), "not started") {
			return err
		}
	}
}

func signal(t *testing.T, s *peer.Store, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.Pid(), sig); err != nil {
		t.Fatal(err)
	}
	// One of its threads may go on for a moment, and answer.
	for began := time.Now(); sig == syscall.SIGSTOP && time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Pid()))
		if _, state, found := strings.Cut(string(stat), ") "); err != nil || found && state[0] == 'T' {
			break // or this is no Linux
		}
	}
}

func TestKill(t *testing.T) {
	s := start(t, "hangs")
	kill := sync.OnceFunc(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})
	time.AfterFunc(20*time.Millisecond, kill)
	// Those that were on their way when it was killed, and those after.
	for range 2 {
		all(t.Context(), t, s, func(name string, err error) {
			if !errors.Is(err, peer.ErrEnded) || !strings.Contains(err.Error(), "killed") {
				t.Errorf("%s: %v, want ErrEnded, and that it was killed", name, err)
			}
		})
		kill()
	}
	if _, err := s.Create(t.Context(), "a", store.Record{}, time.Hour); errors.Is(err, store.ErrUnknown) {
		t.Errorf("a write that was never sent: %v", err)
	}
	if err := syscall.Kill(s.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

// A write that was on its way when the process was killed may have happened.
func TestKilledWriteIsUnknown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, "tells "+l.Addr().String())
	got := make(chan error)
	for _, call := range []func(context.Context) error{calls(s)[faulty.Update], calls(s)[faulty.Load]} {
		go func() { got <- call(context.Background()) }()
		c, err := l.Accept() // the call is there
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	unknown := 0
	for range 2 {
		err := <-got
		if !errors.Is(err, peer.ErrEnded) {
			t.Errorf("got %v, want ErrEnded", err)
		}
		if errors.Is(err, store.ErrUnknown) {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("%d of a write and a read are ErrUnknown", unknown)
	}
}

// A listing whose process is killed ends with an error, and does not look complete.
func TestKillDuringAListing(t *testing.T) {
	s := start(t, "memory")
	for i := range 300 {
		if _, err := s.Create(t.Context(), fmt.Sprint("id", i), store.Record{}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	var last error
	read := 0
	for _, err := range s.List(t.Context(), store.Query{}) {
		if read++; read == 1 {
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		last = err
	}
	if !errors.Is(last, peer.ErrEnded) || read > 100 {
		t.Errorf("%d of 300, and then %v, want ErrEnded", read, last)
	}
}

func TestClose(t *testing.T) {
	s := start(t, "memory")
	if _, err := s.Create(t.Context(), "a", store.Record{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := syscall.Kill(s.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there: %v", err)
	}
	all(t.Context(), t, s, func(name string, err error) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	})
	if err := start(t, "unclosed").Close(); !errors.Is(err, store.ErrFull) {
		t.Errorf("the store's own error: %v", err)
	}
}

func TestProcessThatCrashes(t *testing.T) {
	s := start(t, "crashes")
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, peer.ErrEnded) || !strings.Contains(err.Error(), "panic: out of cheese") {
		t.Errorf("the call that crashed it: %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, peer.ErrEnded) {
		t.Errorf("afterwards: %v", err)
	}
	if err := s.Close(); !errors.Is(err, peer.ErrEnded) || !strings.Contains(err.Error(), "panic: out of cheese") {
		t.Errorf("Close: %v", err)
	}
}

// A process that does nothing at all any more is killed.
func TestCloseOfAStoppedProcess(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for twice the patience")
	}
	s := start(t, "memory")
	signal(t, s, syscall.SIGSTOP)
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("Close: %v", err)
	}
	if err := syscall.Kill(s.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there: %v", err)
	}
}

// A call that never returns does not keep its process alive.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for as long as the patience")
	}
	s := start(t, "deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Load(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "did not end within") {
		t.Errorf("Close: %v", err)
	}
	if err := syscall.Kill(s.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is there: %v", err)
	}
}
