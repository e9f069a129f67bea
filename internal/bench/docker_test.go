package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// fakeDocker answers as docker does, and notes what it was asked.
type fakeDocker struct {
	asked  []string
	image  bool   // there is one
	runs   bool   // the container does, until it is removed
	exited bool   // it ended by itself
	after  func() // after the container was made
}

func (f *fakeDocker) run(ctx context.Context, args ...string) (string, error) {
	f.asked = append(f.asked, strings.Join(args, " "))
	if err := ctx.Err(); err != nil {
		return "", err
	}
	switch args[0] {
	case "run":
		if !f.image {
			return "", errors.New("no such image")
		}
		f.runs = true
		if f.after != nil {
			f.after()
		}
		return "c0ffee", ctx.Err()
	case "port":
		return "127.0.0.1:32768\n[::1]:32768", nil
	case "inspect":
		return map[bool]string{true: "true", false: "false"}[!f.exited], nil
	case "logs":
		return "initdb: no space", nil
	case "ps":
		if f.runs {
			return "c0ffee", nil
		}
		return "", nil
	case "rm":
		f.runs = false
		return "c0ffee", nil
	}
	return "", errors.New("unknown command")
}

func fakeServer(f *fakeDocker, env ...string) *pgServer {
	s := newServer(func(name string) string {
		if i := slices.Index(env, name); i >= 0 {
			return env[i+1]
		}
		return ""
	})
	s.docker.run = f.run
	return s
}

func TestDockerStartsAndRemovesItsOwn(t *testing.T) {
	f := &fakeDocker{image: true}
	s := fakeServer(f, "SOJOURN_TEST_POSTGRES_IMAGE", "postgres:17")
	tries := 0
	url, err := s.docker.start(t.Context(), func(_ context.Context, url string) error {
		if tries++; tries < 3 {
			return errors.New("starting")
		}
		return nil
	})
	if err != nil || !strings.HasPrefix(url, "postgres://postgres:") || !strings.HasSuffix(url, "@127.0.0.1:32768/postgres?sslmode=disable") {
		t.Errorf("%s, %v", url, err)
	}
	_, password, _ := strings.Cut(strings.TrimPrefix(f.asked[0], "run "), "POSTGRES_PASSWORD=")
	password, image, _ := strings.Cut(password, " ")
	if image != "postgres:17" || len(password) < 20 || !strings.Contains(url, password) || !strings.Contains(f.asked[0], "--label "+s.docker.label) {
		t.Errorf("asked for %s, %s", f.asked[0], url)
	}
	if err := s.close(); err != nil || f.runs {
		t.Errorf("closed: %v, the container runs: %v", err, f.runs)
	}
	if want := []string{"ps -aq --no-trunc --filter label=" + s.docker.label, "rm -f -v c0ffee"}; !slices.Equal(f.asked[len(f.asked)-2:], want) {
		t.Errorf("asked for %q, want %q", f.asked[len(f.asked)-2:], want)
	}
	asked := len(f.asked)
	if err := s.close(); err != nil || len(f.asked) != asked {
		t.Errorf("closed twice: %v, asked for %q", err, f.asked[asked:])
	}
}

func TestDockerThatCannotIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		docker *fakeDocker
		want   string
	}{
		"no image":  {&fakeDocker{}, "no such image"},
		"it exited": {&fakeDocker{image: true, exited: true}, "initdb: no space"},
	} {
		s := fakeServer(c.docker)
		s.docker.run = func(ctx context.Context, args ...string) (string, error) {
			if args[0] == "port" {
				return "127.0.0.1:1", nil // where nobody answers
			}
			return c.docker.run(ctx, args...)
		}
		for range 2 { // each row asks
			_, err := s.open()
			m, ok := errors.AsType[*missing](err)
			if !ok || !strings.Contains(m.Error(), c.want) || !strings.Contains(m.Error(), "SOJOURN_TEST_POSTGRES_URL") || !strings.Contains(m.Error(), "postgres:18") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := strings.Count(strings.Join(c.docker.asked, "\n"), "run -d"); n != 1 {
			t.Errorf("%s: it was started %d times", name, n)
		}
		if n := strings.Count(strings.Join(c.docker.asked, "\n"), "inspect"); n > 1 {
			t.Errorf("%s: it was waited for %d times", name, n)
		}
		if err := s.close(); err != nil || c.docker.runs {
			t.Errorf("%s: closed: %v, the container runs: %v", name, err, c.docker.runs)
		}
	}
}

// An interrupt while docker makes the container, which then has told no id.
func TestInterruptDuringTheStart(t *testing.T) {
	f := &fakeDocker{image: true}
	s := fakeServer(f)
	closed := make(chan error, 1)
	f.after = func() {
		go func() { closed <- s.close() }()
		<-s.ctx.Done()
	}
	if _, err := s.open(); !errors.Is(err, context.Canceled) {
		t.Errorf("the start: %v, want context.Canceled", err)
	}
	if err := <-closed; err != nil || f.runs {
		t.Errorf("closed: %v, the container runs: %v", err, f.runs)
	}
	late := fakeServer(&fakeDocker{image: true})
	if err := late.close(); err != nil {
		t.Error(err)
	}
	if _, err := late.open(); err == nil || late.docker.used {
		t.Errorf("started after the end: %v", err)
	}
}
