package browser_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromiumVar names the browser, where it is not in PATH under a name that is known.
const chromiumVar = "SOJOURN_TEST_CHROMIUM"

// chromium is the browser to test with. It skips the test where there is none.
func chromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(chromiumVar); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const why = "no Chromium to test with: install it (apt-get install chromium), or set " + chromiumVar + " to the path of one"
	if os.Getenv("SOJOURN_TEST_STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// browsers is one Chromium, whose contexts are browsers of their own: each has its own
// cookies, cache and history.
type browsers struct{ first context.Context }

// open starts it. It ends with the test.
func open(t *testing.T) *browsers {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.WindowSize(1100, 800))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to run as root otherwise
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", chromium(t), err)
	}
	return &browsers{ctx}
}

// start builds examples/login and has it listen, for the time of the test. It returns its
// URL.
func start(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(strings.TrimSpace(string(out)))))
	bin := filepath.Join(t.TempDir(), "login")
	build := exec.Command("go", "build", "-o", bin, "./login")
	build.Dir = filepath.Join(root, "examples")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	cmd := exec.Command(bin, "-addr", "127.0.0.1:0")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(pipe)
	for log.Scan() {
		_, rest, found := strings.Cut(log.Text(), "listening on ")
		if !found {
			continue
		}
		url, _, _ := strings.Cut(rest, " ")
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for log.Scan() {
			}
		}()
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-drained
			if err := cmd.Wait(); err != nil {
				t.Errorf("the example: %v", err)
			}
		})
		return url
	}
	t.Fatalf("the example ended: %v", cmd.Wait())
	return ""
}
