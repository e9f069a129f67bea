package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/server"
)

func TestOrientDB(t *testing.T) {
	server.Further(t)
	t.Parallel()
	t.Run("as it comes", func(t *testing.T) { orient(t, server.OrientDB(), 1000) })
	t.Run("log every 10 ms", func(t *testing.T) { orient(t, server.OrientDB(server.OrientDBWAL10), 10) })
}

// A server has the settings that it should have, makes nothing without the password, and
// has its data when it is killed, but for what it wrote in the last so many milliseconds.
func orient(t *testing.T, spec server.Spec, interval int) {
	s := server.New(t, spec)
	killOrient(t, s) // before anything else, since the database is new
	for name, want := range map[string]int{"storage.diskCache.bufferSize": 256, "storage.wal.commitTimeout": interval} {
		if got := orientSetting(t, s, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	for _, password := range []string{"", "toor"} {
		if status, _ := askOrient(t, s, password, "POST", "/database/other/plocal", ""); status != http.StatusUnauthorized {
			t.Errorf("with the password %q: status %d, want 401", password, status)
		}
	}

	orientSQL(t, s, "CREATE CLASS N")
	var written []time.Time // when each was acknowledged
	// The server's threads may have to wait for a processor.
	window := time.Duration(interval+500) * time.Millisecond
	for len(written) < 10 || time.Since(written[9]) < window {
		orientSQL(t, s, fmt.Sprintf("INSERT INTO N SET n = %d", len(written)))
		written = append(written, time.Now())
	}
	killed := time.Now()
	killOrient(t, s)
	there := map[int]bool{}
	for _, row := range orientSQL(t, s, "SELECT n FROM N") {
		there[row.N] = true
	}
	for n, at := range written {
		if !there[n] && killed.Sub(at) >= window {
			t.Errorf("%d of %d is lost, acknowledged %v before the server was killed", n, len(written), killed.Sub(at))
		}
	}
	t.Logf("%d of %d are there", len(there), len(written))
	orientSQL(t, s, "INSERT INTO N SET n = -1")
}

// killOrient kills the server, and wants it back where it was.
func killOrient(t *testing.T, s *server.Server) {
	t.Helper()
	url := s.URL()
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get("http://" + s.Addr() + "/ping"); err == nil {
		t.Error("a server that was killed answers")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL() != url {
		t.Errorf("it came back as %s, want %s", s.URL(), url)
	}
}

// orientSetting is a setting as the server itself has it.
func orientSetting(t *testing.T, s *server.Server, name string) int {
	t.Helper()
	_, text := askOrient(t, s, "root", "GET", "/server", "")
	var answer struct {
		GlobalProperties []struct {
			Key   string
			Value any
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	for _, p := range answer.GlobalProperties {
		if n, ok := p.Value.(float64); ok && p.Key == name {
			return int(n)
		}
	}
	t.Fatalf("the server has no number for %s", name)
	return 0
}

func orientSQL(t *testing.T, s *server.Server, statement string) (rows []struct{ N int }) {
	t.Helper()
	status, text := askOrient(t, s, "root", "POST", "/command/sojourn/sql", fmt.Sprintf(`{"command": %q}`, statement))
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", statement, status, text)
	}
	answer := struct{ Result *[]struct{ N int } }{&rows}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return rows
}

func askOrient(t *testing.T, s *server.Server, password, method, path, body string) (status int, text []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("root", password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}
