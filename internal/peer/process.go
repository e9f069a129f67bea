package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// Process is a function that runs in a process of its own.
type Process struct {
	In  io.WriteCloser // what the function reads
	Out io.Reader      // what it has written: all of it, also when it was killed

	name   string
	cmd    *exec.Cmd
	out    stream
	stderr ends
	done   chan struct{} // closed when the process has ended
	err    error         // how, once it has
}

// Begin runs a function of those that [Main] was given in a process of its own, and
// returns when that has started. When ctx is done the function's is, and 5 s later the
// process is killed. Call [Process.Wait] or [Process.Kill].
func Begin(ctx context.Context, name string, args ...string) (*Process, error) {
	p, err := start(ctx, job{Func: name, Args: args})
	if err != nil {
		return nil, err
	}
	line := make([]byte, len(hello))
	if n, err := io.ReadFull(&p.out, line); err != nil || string(line) != hello {
		_ = p.Kill()
		return nil, fmt.Errorf("peer: %s did not start (does TestMain begin with peer.Main?): it wrote %q: %w", name, line[:n], errors.Join(err, p.err))
	}
	return p, nil
}

// Run runs a function of those that [Main] was given in a process of its own, with
// nothing to read, and returns what it wrote. See [Begin].
func Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	p, err := Begin(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	_ = p.In.Close()
	out, _ := io.ReadAll(p.Out)
	return out, p.Wait()
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Wait waits for the end of the process. It returns an error unless the function
// returned none; the error has what the process wrote to its standard error.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Kill ends the process with SIGKILL, and returns when it has ended.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("peer: kill: %w", err)
	}
	<-p.done
	return nil
}

// start starts this program anew, with a job.
func start(ctx context.Context, j job) (*Process, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	program, err := os.Executable() // os.Args[0] may lead elsewhere from another folder
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	p := &Process{name: j.Func, done: make(chan struct{})}
	if p.name == "" {
		p.name = "the store's process"
	}
	// Where TestMain does not call Main, the process must not run all tests.
	p.cmd = exec.CommandContext(ctx, program, "-test.run=^$")
	p.cmd.Env = append(os.Environ(), variable+"="+string(text),
		// A process with the race detector would take a second to end.
		"GORACE=atexit_sleep_ms=10 "+os.Getenv("GORACE"))
	p.out.cond.L = &p.out.mu
	p.cmd.Stdout, p.cmd.Stderr, p.Out = &p.out, &p.stderr, &p.out
	p.cmd.WaitDelay = patience
	if p.In, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	var life *os.File
	if j.Func != "" && runtime.GOOS != "windows" {
		var theirs *os.File
		if theirs, life, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("peer: %w", err)
		}
		defer theirs.Close()
		p.cmd.ExtraFiles = []*os.File{theirs}
		p.cmd.Cancel = life.Close
	}
	if err := p.cmd.Start(); err != nil {
		if life != nil {
			_ = life.Close()
		}
		return nil, fmt.Errorf("peer: %w", err)
	}
	go func() {
		p.err = p.ended(p.cmd.Wait())
		if life != nil {
			_ = life.Close()
		}
		p.out.close()
		close(p.done)
	}()
	return p, nil
}

// ended says how the process ended.
func (p *Process) ended(err error) error {
	if err == nil {
		return nil
	}
	if said := strings.TrimSpace(p.stderr.String()); said != "" {
		return fmt.Errorf("peer: %s: %w: %s", p.name, err, said)
	}
	return fmt.Errorf("peer: %s: %w", p.name, err)
}

// stream is a pipe whose writer never waits: what a process wrote before it was killed
// can still be read.
type stream struct {
	mu     sync.Mutex
	cond   sync.Cond
	b      bytes.Buffer
	closed bool
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cond.Broadcast()
	return s.b.Write(b)
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.b.Len() == 0 && !s.closed {
		s.cond.Wait()
	}
	return s.b.Read(b)
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cond.Broadcast()
}

// ends keeps the beginning and the end of what is written: of a panic the beginning
// matters, of a log the end.
type ends struct{ head, tail []byte }

const most = 4 << 10 // of each

func (e *ends) Write(b []byte) (int, error) {
	n := min(len(b), most-len(e.head))
	e.head = append(e.head, b[:n]...)
	e.tail = append(e.tail, b[n:]...)
	if over := len(e.tail) - most; over > 0 {
		e.tail = e.tail[over:]
	}
	return len(b), nil
}

func (e *ends) String() string { return string(e.head) + string(e.tail) }
