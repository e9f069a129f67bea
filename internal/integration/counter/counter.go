// Package counter runs examples/counter in processes of its own, and visits it as
// browsers do.
package counter

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Program is examples/counter, compiled.
type Program string

// Build compiles it, for the time of a test.
func Build(t *testing.T) Program {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(strings.TrimSpace(string(out)))))
	bin := filepath.Join(t.TempDir(), "counter")
	// Without what debuggers read, which is a third of the time that it takes.
	cmd := exec.Command("go", "build", "-ldflags=-w", "-o", bin, "./counter")
	cmd.Dir = filepath.Join(root, "examples")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return Program(bin)
}

// Counter is one that runs.
type Counter struct {
	URL string

	cmd *exec.Cmd
	log *bufio.Scanner
}

// Start has a counter keep its sessions in the store that the URL opens, and returns when
// it listens.
func (p Program) Start(t *testing.T, storeURL string) *Counter {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), string(p), "-addr", "127.0.0.1:0", "-store", storeURL)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Counter{cmd: cmd, log: bufio.NewScanner(pipe)}
	var said []string
	for c.log.Scan() {
		if _, rest, found := strings.Cut(c.log.Text(), "listening on "); found {
			c.URL, _, _ = strings.Cut(rest, " ")
			return c
		}
		said = append(said, c.log.Text())
	}
	t.Fatalf("the counter ended: %v, %v: %q", c.log.Err(), cmd.Wait(), said)
	return nil
}

// Stop has the counter end in good order.
func (c *Counter) Stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for c.log.Scan() {
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the counter: %v", err)
	}
}
