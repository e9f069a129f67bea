package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// odServer is the OrientDB that is measured. All that is done there happens in a database
// of its own.
type odServer struct {
	*server
	db *odClient
}

func newOrientDB(getenv func(string) string) *odServer {
	s := &odServer{}
	s.server = newServer(getenv, kind{
		name:   "OrientDB",
		urlVar: "SOJOURN_TEST_ORIENTDB_URL", like: "orientdb://root:password@localhost:2480",
		imageVar: "SOJOURN_TEST_ORIENTDB_IMAGE", image: "orientdb:3.2",
		container: container{
			port: "2480",
			// As it comes it takes two gigabytes, and what else there is for its cache of the disk.
			command: func(image, password string) []string {
				return []string{
					"-e", "ORIENTDB_ROOT_PASSWORD=" + password, "-e", "ORIENTDB_OPTS_MEMORY=-Xms512m -Xmx1g",
					"-e", "ORIENTDB_SETTINGS=-Dstorage.diskCache.bufferSize=512", image,
				}
			},
			url: url.URL{Scheme: "orientdb", User: url.User("root")},
		},
		answers: odAnswers, begin: s.begin, end: s.end,
	})
	return s
}

// open returns the database. An error is one of missing.
func (s *odServer) open() (*odClient, error) {
	err := s.start()
	return s.db, err
}

// odAnswers asks for what only the server's root may see: a ping is answered before the
// server knows him.
func odAnswers(ctx context.Context, rawURL string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := newODClient(rawURL, "")
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	return c.send(ctx, http.MethodGet, "/server", nil, nil)
}

func (s *odServer) begin(ctx context.Context, rawURL string) (err error) {
	if s.db, err = newODClient(rawURL, s.token); err != nil {
		return err
	}
	return s.db.send(ctx, http.MethodPost, "/database/"+s.token+"/plocal", nil, nil)
}

func (s *odServer) end(ctx context.Context, rawURL string) error {
	c, err := newODClient(rawURL, s.token)
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	return c.send(ctx, http.MethodDelete, "/database/"+s.token, nil, nil)
}

// files stops the server in good order, whereby it writes to its files what it has in its
// cache, starts it again, and returns their names and sizes; false where it is not in a
// container of ours.
func (s *odServer) files() (sizes map[string]int, told bool, err error) {
	if s.docker.id == "" {
		return nil, false, nil
	}
	if _, err = s.docker.run(s.ctx, "stop", "-t", "60", s.docker.id); err != nil {
		return nil, false, err
	}
	if s.at, err = s.docker.again(s.ctx, s.at, s.answers); err != nil {
		return nil, false, err
	}
	moved, err := newODClient(s.at, s.token)
	if err != nil {
		return nil, false, err
	}
	// The classes have this client, and are to be dropped by it.
	s.db.url, s.db.commands = moved.url, moved.commands
	s.db.session.Store(nil)
	out, err := s.docker.run(s.ctx, "exec", s.docker.id, "sh", "-c", "stat -c '%s %n' /orientdb/databases/"+s.token+"/*")
	if err != nil {
		return nil, false, err
	}
	sizes = map[string]int{}
	for l := range strings.Lines(out) {
		size, path, _ := strings.Cut(strings.TrimSpace(l), " ")
		n, err := strconv.Atoi(size)
		if err != nil {
			return nil, false, fmt.Errorf("stat: %w", err)
		}
		sizes[path[strings.LastIndex(path, "/")+1:]] = n
	}
	return sizes, true, nil
}
