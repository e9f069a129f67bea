package server

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
)

// Shared is the one server of a test binary: that of the variable, or a container
// which the first test that wants it starts and [Shared.End] removes.
type Shared struct {
	Spec Spec

	once   sync.Once
	server *Server
	err    error
}

// URL is what a client opens. It skips the test where there is no server.
func (s *Shared) URL(tb testing.TB) string {
	tb.Helper()
	if url := os.Getenv(s.Spec.URLVar); url != "" {
		return url
	}
	return s.Container(tb).URL()
}

// Container is the server as a container, for tests that kill it: also where the
// variable names another one. It skips the test where there is none.
func (s *Shared) Container(tb testing.TB) *Server {
	tb.Helper()
	s.once.Do(func() { s.server, s.err = Start(tb.Context(), s.Spec) })
	if s.err != nil {
		Missing(tb, s.Spec, s.err)
	}
	return s.server
}

// End removes the container, if one was started. It is for TestMain.
func (s *Shared) End() {
	if s.server == nil {
		return
	}
	if err := s.server.End(); err != nil {
		fmt.Fprintf(os.Stderr, "the container of %s was not removed: %v\n", s.Spec.Name, err)
	}
}

// New starts a server for one test, which removes it, and skips the test where that
// cannot be done.
func New(tb testing.TB, spec Spec) *Server {
	tb.Helper()
	s, err := Start(tb.Context(), spec)
	if err != nil {
		Missing(tb, spec, err)
	}
	tb.Cleanup(func() {
		if err := s.End(); err != nil {
			tb.Errorf("the container was not removed: %v", err)
		}
	})
	return s
}

// Images are those that a variable lists, by commas. It skips the test where it
// lists none: no server is missing, these are further ones.
func Images(tb testing.TB, variable, example string) []string {
	tb.Helper()
	list := os.Getenv(variable)
	if list == "" {
		tb.Skipf("%s is not set: it names further images to test with, like %s", variable, example)
	}
	return strings.Split(list, ",")
}

// Further skips a test of a further way to reach a server, or of what starts it; see
// [verbs.Further].
func Further(tb testing.TB) {
	tb.Helper()
	if !verbs.Further() {
		tb.Skip("SOJOURN_TEST_FURTHER=1 runs it, as CI does, beside what every server is tested with")
	}
}

// Missing skips the test for want of a server, and says how to get one.
func Missing(tb testing.TB, spec Spec, err error) {
	tb.Helper()
	way := "start Docker"
	if spec.URLVar != "" {
		way += ", or set " + spec.URLVar + " to the URL of one (docker compose up -d --wait starts it)"
	}
	if spec.ImageVar != "" {
		way += "; " + spec.ImageVar + " can name another image"
	}
	skip(tb, fmt.Sprintf("no %s to test with: %s.\n%v", spec.Name, way, err))
}

// skip skips the test, or fails it where nothing may be missing.
func skip(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("SOJOURN_TEST_STRICT") == "1" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}
