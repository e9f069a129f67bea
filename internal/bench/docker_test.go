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
	case "start":
		f.runs = true
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

// technology is one whose servers docker starts.
type technology struct {
	open          func(getenv func(string) string) *server
	image, urlVar string
	imageVar      string
	password      string // what stands before it where docker is told; "" if there is none
	prefix        string // of the URL
	suffix        string // of the URL
}

var technologies = map[string]technology{
	"Postgres": {
		open:  func(getenv func(string) string) *server { return newPostgres(getenv).server },
		image: "postgres:18", urlVar: "SOJOURN_TEST_POSTGRES_URL", imageVar: "SOJOURN_TEST_POSTGRES_IMAGE",
		password: "POSTGRES_PASSWORD=", prefix: "postgres://postgres:", suffix: "@127.0.0.1:32768/postgres?sslmode=disable",
	},
	"Redis": {
		open:  func(getenv func(string) string) *server { return newRedis(getenv).server },
		image: "redis:8", urlVar: "SOJOURN_TEST_REDIS_URL", imageVar: "SOJOURN_TEST_REDIS_IMAGE",
		password: "--requirepass ", prefix: "redis://:", suffix: "@127.0.0.1:32768/0",
	},
	"MongoDB": {
		open:  func(getenv func(string) string) *server { return newMongo(getenv).server },
		image: "mongo:8", urlVar: "SOJOURN_TEST_MONGO_URL", imageVar: "SOJOURN_TEST_MONGO_IMAGE",
		prefix: "mongodb://127.0.0.1:32768", suffix: "/sojourn?directConnection=true",
	},
	"OrientDB": {
		open:  func(getenv func(string) string) *server { return newOrientDB(getenv).server },
		image: "orientdb:3.2", urlVar: "SOJOURN_TEST_ORIENTDB_URL", imageVar: "SOJOURN_TEST_ORIENTDB_IMAGE",
		password: "ORIENTDB_ROOT_PASSWORD=", prefix: "orientdb://root:", suffix: "@127.0.0.1:32768",
	},
}

func (of technology) fake(f *fakeDocker, env ...string) *server {
	s := of.open(func(name string) string {
		if i := slices.Index(env, name); i >= 0 {
			return env[i+1]
		}
		return ""
	})
	s.docker.run = f.run
	return s
}

func TestDockerStartsAndRemovesItsOwn(t *testing.T) {
	for name, of := range technologies {
		t.Run(name, func(t *testing.T) {
			f := &fakeDocker{image: true}
			s := of.fake(f, of.imageVar, "another:1")
			tries := 0
			url, err := s.docker.start(t.Context(), func(context.Context, string) error {
				if tries++; tries < 3 {
					return errors.New("starting")
				}
				return nil
			})
			if err != nil || !strings.HasPrefix(url, of.prefix) || !strings.HasSuffix(url, of.suffix) {
				t.Errorf("%s, %v", url, err)
			}
			_, password, _ := strings.Cut(f.asked[0], of.password)
			password, _, _ = strings.Cut(password, " ")
			if of.password != "" && (len(password) < 20 || !strings.Contains(url, ":"+password+"@")) ||
				!strings.Contains(f.asked[0]+" ", " another:1 ") || !strings.Contains(f.asked[0], "--label "+s.docker.label+" ") {
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
		})
	}
}

// What was stopped comes back on another port, with the password that it had.
func TestDockerStartsAgain(t *testing.T) {
	f := &fakeDocker{image: true}
	s := technologies["OrientDB"].fake(f)
	answers := func(context.Context, string) error { return nil }
	if _, err := s.docker.start(t.Context(), answers); err != nil {
		t.Fatal(err)
	}
	url, err := s.docker.again(t.Context(), "orientdb://root:secret@127.0.0.1:1", answers)
	if want := "orientdb://root:secret@127.0.0.1:32768"; url != want || err != nil {
		t.Errorf("%s, %v, want %s", url, err, want)
	}
	if !slices.Contains(f.asked, "start c0ffee") {
		t.Errorf("asked for %q", f.asked)
	}
}

func TestDockerThatCannotIsMissing(t *testing.T) {
	for what, of := range technologies {
		for name, c := range map[string]struct {
			docker *fakeDocker
			want   string
		}{
			"no image":  {&fakeDocker{}, "no such image"},
			"it exited": {&fakeDocker{image: true, exited: true}, "initdb: no space"},
		} {
			t.Run(what+", "+name, func(t *testing.T) {
				s := of.fake(c.docker)
				s.docker.run = func(ctx context.Context, args ...string) (string, error) {
					if args[0] == "port" {
						return "127.0.0.1:1", nil // where nobody answers
					}
					return c.docker.run(ctx, args...)
				}
				for range 2 { // each row asks
					err := s.start()
					if _, ok := errors.AsType[*missing](err); !ok {
						t.Fatalf("got %v", err)
					}
					for _, want := range []string{what + " is not measured", c.want, of.urlVar, of.image, of.imageVar} {
						if !strings.Contains(err.Error(), want) {
							t.Errorf("the error does not name %q: %v", want, err)
						}
					}
				}
				if n := strings.Count(strings.Join(c.docker.asked, "\n"), "run -d"); n != 1 {
					t.Errorf("it was started %d times", n)
				}
				if n := strings.Count(strings.Join(c.docker.asked, "\n"), "inspect"); n > 1 {
					t.Errorf("it was waited for %d times", n)
				}
				if err := s.close(); err != nil || c.docker.runs {
					t.Errorf("closed: %v, the container runs: %v", err, c.docker.runs)
				}
			})
		}
	}
}

// An interrupt while docker makes the container, which then has told no id.
func TestInterruptDuringTheStart(t *testing.T) {
	for name, of := range technologies {
		t.Run(name, func(t *testing.T) {
			f := &fakeDocker{image: true}
			s := of.fake(f)
			closed := make(chan error, 1)
			f.after = func() {
				go func() { closed <- s.close() }()
				<-s.ctx.Done()
			}
			if err := s.start(); !errors.Is(err, context.Canceled) {
				t.Errorf("the start: %v, want context.Canceled", err)
			}
			if err := <-closed; err != nil || f.runs {
				t.Errorf("closed: %v, the container runs: %v", err, f.runs)
			}
			late := of.fake(&fakeDocker{image: true})
			if err := late.close(); err != nil {
				t.Error(err)
			}
			if err := late.start(); err == nil || late.docker.used {
				t.Errorf("started after the end: %v", err)
			}
		})
	}
}

// One interrupt ends all, whichever is being started.
func TestServersAreClosedTogether(t *testing.T) {
	all := newServers(func(string) string { return "" })
	for _, s := range all.each() {
		s.docker.run = (&fakeDocker{}).run
	}
	if all.interrupted() {
		t.Error("interrupted before anybody did it")
	}
	if err := all.close(); err != nil || !all.interrupted() {
		t.Errorf("closed: %v, interrupted: %v", err, all.interrupted())
	}
	for _, s := range all.each() {
		if err := s.start(); !errors.Is(err, context.Canceled) || s.docker.used {
			t.Errorf("%s, started after the end: %v", s.name, err)
		}
	}
}
