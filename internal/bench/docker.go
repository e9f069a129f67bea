package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// docker is a server in a container of its own.
type docker struct {
	run       func(ctx context.Context, args ...string) (string, error) // the docker command; its output
	image     string
	container container
	label     string // that no other container has
	used      bool   // there may be a container
	id        string // of the one there was
}

// container is how a technology's official images want to be run.
type container struct {
	port    string                                // that the server listens on
	command func(image, password string) []string // the end of docker's
	url     url.URL                               // without the host and the password
	open    bool                                  // there is no password
}

// command runs docker and returns what it printed, or what it printed as an error if
// that is all: a server's log is such.
func command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	if len(out) == 0 {
		out = errs.Bytes()
	}
	return string(bytes.TrimSpace(out)), nil
}

// start runs the image on a free port of this machine, and waits until answers has no
// error. It returns the server's URL.
func (d *docker) start(ctx context.Context, answers func(ctx context.Context, url string) error) (string, error) {
	password := rand.Text()
	d.used = true
	id, err := d.run(ctx, append([]string{"run", "-d", "--label", d.label, "-p", "127.0.0.1::" + d.container.port},
		d.container.command(d.image, password)...)...)
	if err != nil {
		return "", err
	}
	d.id = id
	return d.reach(ctx, password, answers)
}

// again starts the container that was stopped, which then has another port, and a URL like
// the one that it had.
func (d *docker) again(ctx context.Context, had string, answers func(ctx context.Context, url string) error) (string, error) {
	u, err := url.Parse(had)
	if err != nil {
		return "", err
	}
	if _, err := d.run(ctx, "start", d.id); err != nil {
		return "", err
	}
	password, _ := u.User.Password()
	return d.reach(ctx, password, answers)
}

// reach waits until answers has no error.
func (d *docker) reach(ctx context.Context, password string, answers func(ctx context.Context, url string) error) (string, error) {
	id := d.id
	ports, err := d.run(ctx, "port", id, d.container.port+"/tcp")
	if err != nil {
		return "", err
	}
	at, _, _ := strings.Cut(ports, "\n")
	if _, _, err := net.SplitHostPort(at); err != nil {
		return "", fmt.Errorf("docker port: %w", err)
	}
	u := d.container.url
	if u.Host = at; !d.container.open {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := answers(ctx, u.String())
		if err == nil {
			return u.String(), nil
		}
		running, failed := d.run(ctx, "inspect", "-f", "{{.State.Running}}", id)
		if failed != nil {
			return "", failed
		}
		if running != "true" || time.Now().After(end) {
			said, _ := d.run(ctx, "logs", "--tail", "5", id)
			return "", fmt.Errorf("the server of %s does not answer: %w\n%s", d.image, err, said)
		}
	}
}

// remove removes the container by its id, which a start that was interrupted has not
// told.
func (d *docker) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ids, err := d.run(ctx, "ps", "-aq", "--no-trunc", "--filter", "label="+d.label)
	if err != nil && d.id == "" {
		return nil // docker does not work here, and has not
	}
	if err == nil && ids != "" {
		_, err = d.run(ctx, append([]string{"rm", "-f", "-v"}, strings.Fields(ids)...)...)
	}
	if err != nil {
		return fmt.Errorf("the container labelled %s stays: %w", d.label, err)
	}
	return nil
}
