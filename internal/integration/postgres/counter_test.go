package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// buildCounter compiles examples/counter, once.
var buildCounter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(strings.TrimSpace(string(out)))))
	bin := filepath.Join(tempDir, "counter")
	cmd := exec.Command("go", "build", "-o", bin, "./counter")
	cmd.Dir = filepath.Join(root, "examples")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return bin, nil
})

// counter is a running examples/counter.
type counter struct {
	url string
	cmd *exec.Cmd
	log *bufio.Scanner
}

func startCounter(t *testing.T, storeURL string) *counter {
	t.Helper()
	bin, err := buildCounter()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-addr", "127.0.0.1:0", "-store", storeURL)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &counter{cmd: cmd, log: bufio.NewScanner(pipe)}
	for c.log.Scan() {
		if _, rest, found := strings.Cut(c.log.Text(), "listening on "); found {
			c.url, _, _ = strings.Cut(rest, " ")
			return c
		}
	}
	t.Fatalf("the counter ended: %v, %v", c.log.Err(), cmd.Wait())
	return nil
}

// stop has the counter end in good order.
func (c *counter) stop(t *testing.T) {
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

// tab is a browser as far as the counter needs one: net/http's cookie jar keeps
// Secure cookies off plain http, which browsers send to localhost.
type tab struct{ cookie *http.Cookie }

// do asks a counter and returns the visits that it tells.
func (b *tab) do(ctx context.Context, method, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "application/json")
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	for _, c := range res.Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	var state struct{ Visits int }
	switch {
	case method == "POST" && res.StatusCode == http.StatusSeeOther:
		return 0, nil
	case res.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s: %s", res.Status, body)
	}
	return state.Visits, json.Unmarshal(body, &state)
}

func (b *tab) visits(t *testing.T, url string, want int) {
	t.Helper()
	if n, err := b.do(t.Context(), "GET", url); n != want || err != nil {
		t.Errorf("visit %d, want %d; %v", n, want, err)
	}
}

// The lesson's scene: two browsers count apart, and a restart changes nothing.
func TestCounterGoesOn(t *testing.T) {
	x := unmade(t, shared.URL(t))
	storeURL := x.url + "&table=" + x.opts.Table
	var one, two tab
	c := startCounter(t, storeURL)
	one.visits(t, c.url, 1)
	one.visits(t, c.url, 2)
	two.visits(t, c.url, 1)
	c.stop(t)
	c = startCounter(t, storeURL)
	defer c.stop(t)
	one.visits(t, c.url, 3)
	two.visits(t, c.url, 2)
	old := one
	if _, err := one.do(t.Context(), "POST", c.url+"/end"); err != nil {
		t.Error(err)
	}
	one.visits(t, c.url, 1)
	old.visits(t, c.url, 1) // the cookie of before is worth nothing
	two.visits(t, c.url, 3)
}
