// Package server starts the servers that tests ask, each in a container, and does to them what no client
// can: kill -9, pause, start again.
//
// A test binary has one server for all its tests ([Shared]), each of which makes a
// namespace of its own in it. A variable of the environment can name one that is there
// already. Where neither can be had the tests are skipped and say how to get one, or
// fail if SOJOURN_TEST_STRICT is 1.
package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/log"
)

// Spec is what is to be known of a kind of server to start one.
type Spec struct {
	Name     string // for people
	URLVar   string // the variable that names one which is there
	ImageVar string // the variable that names the image
	Image    string // the image unless that is set
	Port     string // like "5432/tcp"
	Same     int    // in place of Port: so many servers, see nodes.go
	Env      map[string]string
	Cmd      []string
	Entry    []string // unless it is the image's own
	Files    []testcontainers.ContainerFile
	Host     func(*container.HostConfig) // may be nil

	URL   func(addr string) string                    // of several servers, all addresses by commas
	Ready func(ctx context.Context, url string) error // nil once it answers
}

// image is the name of the image to start.
func (sp Spec) image() string {
	if image := os.Getenv(sp.ImageVar); image != "" {
		return image
	}
	return sp.Image
}

// Server is a server in a container.
type Server struct {
	spec   Spec
	docker *testcontainers.DockerClient
	c      *testcontainers.DockerContainer
	host   string
	ports  []string
}

// patience is how long a server may take to answer, the first start of a large one
// on a busy machine included.
const patience = 2 * time.Minute

// Start starts a server, and returns when it answers.
func Start(ctx context.Context, spec Spec) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute) // an image may have to be pulled
	defer cancel()
	silence()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("no Docker engine answers: %w", err)
	}
	s := &Server{spec: spec, docker: docker}
	// The port is chosen here, so that it stays the same when the server is killed
	// and starts again: Docker would choose another one. Somebody else may take it
	// in between, and then another is tried.
	for range 5 {
		if err = s.start(ctx); err == nil || !strings.Contains(err.Error(), "address already in use") && !strings.Contains(err.Error(), "port is already allocated") {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start %s from the image %s: %w", spec.Name, spec.image(), err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	outside, err := free(max(1, s.spec.Same))
	if err != nil {
		return err
	}
	inside, env := []string{s.spec.Port}, map[string]string{}
	maps.Copy(env, s.spec.Env)
	if s.spec.Same > 0 {
		inside, env[portsVar] = outside, strings.Join(outside, " ")
	}
	bindings := network.PortMap{}
	for i, port := range inside {
		bindings[network.MustParsePort(port)] = []network.PortBinding{{HostPort: outside[i]}}
	}
	bind := func(h *container.HostConfig) {
		h.PortBindings = bindings
		if s.spec.Host != nil {
			s.spec.Host(h)
		}
	}
	s.c, err = testcontainers.Run(ctx, s.spec.image(),
		testcontainers.WithLogger(quiet{}), testcontainers.WithExposedPorts(inside...), testcontainers.WithHostConfigModifier(bind),
		testcontainers.WithEnv(env), testcontainers.WithCmd(s.spec.Cmd...), testcontainers.WithFiles(s.spec.Files...),
		testcontainers.WithEntrypoint(s.spec.Entry...), testcontainers.WithLabels(map[string]string{"sojourn.run": os.Getenv("SOJOURN_TEST_RUN")}))
	if err == nil {
		var host string
		if host, err = s.c.Host(ctx); err == nil {
			if s.spec.Same > 0 {
				host = loopback
			}
			s.host, s.ports = host, outside
			err = s.Wait(ctx)
		}
	}
	if err != nil && s.c != nil {
		err = fmt.Errorf("%w\n%s", err, s.Logs(ctx))
		_ = s.c.Terminate(ctx, testcontainers.StopTimeout(0))
	}
	return err
}

// Wait waits until the server answers, or all of several do and are as they should be.
func (s *Server) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := s.spec.Ready(once, s.URL())
		cancel()
		if err == nil {
			return nil
		}
		if state, e := s.c.State(ctx); e == nil && !state.Running {
			return fmt.Errorf("it ended with %d: %w", state.ExitCode, err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// Addr is the host and port at which the server answers, also after a restart.
func (s *Server) Addr() string { return net.JoinHostPort(s.host, s.ports[0]) }

// URL is what a client opens.
func (s *Server) URL() string {
	addr := s.Addr()
	for _, port := range s.ports[1:] {
		addr += "," + net.JoinHostPort(s.host, port)
	}
	return s.spec.URL(addr)
}

// Kill ends every process of the server as kill -9 does. What it wrote to its disk
// stays.
func (s *Server) Kill(ctx context.Context) error {
	if _, err := s.docker.ContainerKill(ctx, s.c.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		return err
	}
	wait := s.docker.ContainerWait(ctx, s.c.GetContainerID(), client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case err := <-wait.Error:
		return err
	case <-wait.Result:
		return nil
	}
}

// Restart starts the server that was killed, and returns when it answers.
func (s *Server) Restart(ctx context.Context) error {
	if _, err := s.docker.ContainerStart(ctx, s.c.GetContainerID(), client.ContainerStartOptions{}); err != nil {
		return err
	}
	return s.Wait(ctx)
}

// Pause stops every process of the server where it stands: connections stay, and
// nothing is answered.
func (s *Server) Pause(ctx context.Context) error {
	_, err := s.docker.ContainerPause(ctx, s.c.GetContainerID(), client.ContainerPauseOptions{})
	return err
}

// Unpause has a paused server go on.
func (s *Server) Unpause(ctx context.Context) error {
	_, err := s.docker.ContainerUnpause(ctx, s.c.GetContainerID(), client.ContainerUnpauseOptions{})
	return err
}

// Exec runs a command in the container, and returns what it wrote.
func (s *Server) Exec(ctx context.Context, cmd ...string) (string, error) {
	code, out, err := s.c.Exec(ctx, cmd, exec.Multiplexed())
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(out)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: exit code %d: %s", cmd[0], code, bytes.TrimSpace(text))
	}
	return string(text), err
}

// Logs are the last lines that the server wrote.
func (s *Server) Logs(ctx context.Context) string {
	r, err := s.c.Logs(ctx)
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(r)
	const most = 4000
	return string(text[max(0, len(text)-most):])
}

// End removes the container, with its volumes.
func (s *Server) End() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer s.docker.Close()
	return s.c.Terminate(ctx, testcontainers.StopTimeout(0))
}

// quiet keeps the steps of each start out of the tests' output.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

var silence = sync.OnceFunc(func() { log.SetDefault(quiet{}) })
