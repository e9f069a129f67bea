package peer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/peer"
)

func TestRun(t *testing.T) {
	out, err := peer.Run(t.Context(), "echo", "a", "", "b c")
	if string(out) != "a,,b c\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestBegin(t *testing.T) {
	p, err := peer.Begin(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(p.Out)
	_, _ = r.ReadString('\n')
	for _, line := range []string{"to and fro\n", "and again\n"} {
		if _, err := io.WriteString(p.In, line); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); got != line || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	_ = p.In.Close()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestRunFails(t *testing.T) {
	for name, want := range map[string]string{
		"fail":  "exit status 1: it is raining",
		"panic": "panic: the sky falls",
		"dance": `no function "dance"; it has ["count" "echo" "env"`,
	} {
		if _, err := peer.Run(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// Of much that a process has said the beginning and the end are shown.
func TestLongSpeech(t *testing.T) {
	_, err := peer.Run(t.Context(), "talk")
	if err == nil || !strings.Contains(err.Error(), "the beginning") || !strings.HasSuffix(err.Error(), "the end") || len(err.Error()) > 10_000 {
		t.Errorf("%.200v", err)
	}
}

// Several processes count together, and one that is killed has said how far it came.
func TestProcessesCount(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var n atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					n.Add(1)
					fmt.Fprintln(c, "counted")
				}
			}()
		}
	}()
	const processes, each = 4, 100
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			out, err := peer.Run(t.Context(), "count", l.Addr().String(), fmt.Sprint(each))
			if lines := strings.Count(string(out), "\n"); lines != each || err != nil {
				t.Errorf("a process has counted to %d, %v", lines, err)
			}
		})
	}
	wg.Wait()
	if n.Load() != processes*each {
		t.Errorf("counted %d, want %d", n.Load(), processes*each)
	}
	p, err := peer.Begin(t.Context(), "count", l.Addr().String(), "1000000000")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(p.Out)
	for range 50 {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	said := 50 + int64(strings.Count(string(rest), "\n"))
	if did := n.Load() - processes*each; err != nil || did != said && did != said+1 {
		t.Errorf("it said %d and did %d, %v", said, did, err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Wait: %v", err)
	}
}

// The function is told that its context is done, and may end in good order.
func TestContextOfAFunction(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := peer.Begin(ctx, "patient")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(p.Out)
	if got, err := r.ReadString('\n'); got != "waits\n" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	cancel()
	if got, err := r.ReadString('\n'); got != "told\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("Wait: %v", err)
	}
}

// A function that does not listen is killed.
func TestFunctionThatIsDeaf(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for as long as the patience")
	}
	held, ended := holder(t)
	ctx, cancel := context.WithCancel(t.Context())
	p, err := peer.Begin(ctx, "hold", held)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(p.Out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	if p.Wait() == nil {
		t.Error("Wait: no error")
	}
	wait(t, ended)
}

// No process outlives the one that started it, though that is killed.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"store", "patient", "hold"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if kind == "hold" && testing.Short() {
				t.Skip("it waits for as long as the patience")
			}
			held, ended := holder(t)
			p, err := peer.Begin(t.Context(), "parent", kind, held)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := bufio.NewReader(p.Out).ReadString('\n'); got != "started\n" || err != nil {
				t.Fatalf("%q, %v, %v", got, err, p.Wait())
			}
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
			wait(t, ended)
		})
	}
}

// What a process starts does not do the job of that process.
func TestJobIsNotInherited(t *testing.T) {
	if out, err := peer.Run(t.Context(), "env"); err != nil || strings.Contains(string(out), "SOJOURN_PEER") {
		t.Errorf("the environment: %s, %v", out, err)
	}
}

// holder listens for one connection; ended is closed when that is.
func holder(t *testing.T) (addr string, ended <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan struct{})
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, c)
		close(done)
	}()
	return l.Addr().String(), done
}

func wait(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the process has not ended")
	}
}

// A program that does not call Main is not taken for one that does, and does not run its
// tests.
func TestWithoutMain(t *testing.T) {
	t.Setenv(withoutMain, "yes")
	if _, err := peer.Start(t.Context(), "memory"); err == nil || !strings.Contains(err.Error(), "does TestMain begin with peer.Main?") {
		t.Errorf("Start: %v", err)
	}
	if _, err := peer.Begin(t.Context(), "echo"); err == nil || !strings.Contains(err.Error(), "does TestMain begin with peer.Main?") {
		t.Errorf("Begin: %v", err)
	}
}
