package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// server is what is measured: one that is there, or one that docker starts when it is
// first asked for.
type server struct {
	kind
	at     string // the URL of one that is there, or ""
	docker *docker
	token  string // begins the name of all that is made there

	once  sync.Once
	err   error // of the start
	begun bool  // something may have been made there

	ctx    context.Context // of the start, which can take minutes
	cancel context.CancelFunc
	mu     sync.Mutex // a start and an end do not overlap
	ended  bool
}

// kind is what the servers of one technology have to themselves.
type kind struct {
	name      string
	urlVar    string // the variable that names a server
	like      string // its value is to be
	imageVar  string // the variable that names an image
	image     string // where it does not
	container container

	answers func(ctx context.Context, url string) error // connects once
	readies func(ctx context.Context, url string) error // likewise, to one in a container that was just made; nil is answers
	begin   func(ctx context.Context, url string) error // makes what all rows use
	end     func(ctx context.Context, url string) error // removes what they made, also from under what is still being measured
}

func newServer(getenv func(string) string, k kind) *server {
	token := "sojourn_bench_" + strings.ToLower(rand.Text()[:10])
	s := &server{kind: k, at: getenv(k.urlVar), token: token, docker: &docker{
		run: command, image: k.image, container: k.container, label: "sojourn.bench=" + token,
	}}
	if image := getenv(k.imageVar); image != "" {
		s.docker.image = image
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// start sees to it that the server is there, for each row that wants it. An error is one
// of missing.
func (s *server) start() error {
	s.once.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.first(); err != nil {
			s.err = &missing{what: s.name, err: err, how: fmt.Sprintf("It wants a server: set %s, like %s,\n"+
				"or see to it that docker can run the image %s, or another one that %s names.", s.urlVar, s.like, s.docker.image, s.imageVar)}
		}
	})
	return s.err
}

func (s *server) first() error {
	if s.ended {
		return context.Canceled
	}
	if s.at == "" {
		readies := s.readies
		if readies == nil {
			readies = s.answers
		}
		var err error
		if s.at, err = s.docker.start(s.ctx, readies); err != nil {
			s.at = ""
			return err
		}
	}
	if err := s.answers(s.ctx, s.at); err != nil {
		return err
	}
	s.begun = true
	return s.begin(s.ctx, s.at)
}

// close removes what was made, also from under what is still being measured.
func (s *server) close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	if s.docker.used {
		return s.docker.remove()
	}
	if !s.begun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := s.end(ctx, s.at); err != nil {
		return fmt.Errorf("what %s has that begins with %s stays: %w", s.name, s.token, err)
	}
	return nil
}

// servers are all that are measured.
type servers struct {
	postgres *pgServer
	redis    *redisServer
	mongo    *mongoServer
	orientdb *odServer
}

func newServers(getenv func(string) string) servers {
	return servers{postgres: newPostgres(getenv), redis: newRedis(getenv), mongo: newMongo(getenv), orientdb: newOrientDB(getenv)}
}

func (s servers) each() []*server {
	return []*server{s.postgres.server, s.redis.server, s.mongo.server, s.orientdb.server}
}

// close interrupts what is still being measured, and removes what was made everywhere.
func (s servers) close() error {
	for _, server := range s.each() {
		server.cancel()
	}
	var errs []error
	for _, server := range s.each() {
		errs = append(errs, server.close())
	}
	return errors.Join(errs...)
}

// interrupted reports whether close was called.
func (s servers) interrupted() bool { return s.postgres.ctx.Err() != nil }
