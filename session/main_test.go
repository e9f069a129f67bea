package session_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// issuedFile names the file in which the process that runs the tests writes down each id
// that it makes.
const issuedFile = "SOJOURN_SESSION_TEST_ISSUED"

// SEC-28: the tests run in a process of their own, whose whole output is searched for each
// id that was issued in it.
func TestMain(m *testing.M) {
	flag.Parse()
	if name := os.Getenv(issuedFile); name != "" {
		os.Exit(record(m, name))
	}
	if set("test.fuzz") || set("test.fuzzworker") || set("test.list") {
		os.Exit(m.Run()) // which prints nothing of a session, and has pipes of its own
	}
	os.Exit(watch())
}

func set(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != f.DefValue
}

func record(m *testing.M, name string) (code int) {
	f, err := os.Create(name)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	// Without a buffer: what is in one is lost when the process crashes.
	session.OnIssue(func(value string) { fmt.Fprintln(f, value) })
	code = m.Run()
	if err := f.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

// watch runs the tests, verbose in any case, and searches what they print.
func watch() (code int) {
	dir, err := os.MkdirTemp("", "session-test-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	issued := filepath.Join(dir, "issued")
	var out bytes.Buffer
	args := slices.Clone(os.Args[1:])
	live := set("test.v") || set("test.bench") // somebody is looking
	if !set("test.v") {
		args = append([]string{"-test.v"}, args...)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), issuedFile+"="+issued)
	cmd.Stdin = os.Stdin
	cmd.Stdout = &out
	if live {
		cmd.Stdout = io.MultiWriter(&out, os.Stdout)
	}
	cmd.Stderr = cmd.Stdout // one pipe, so that the order stays
	err = run(cmd)
	ids, readErr := os.ReadFile(issued)
	leaked := leaks(out.Bytes(), strings.Fields(string(ids)))
	text := out.Bytes()
	if err == nil && leaked == 0 { // without -v it shows what go test would
		text = text[bytes.LastIndex(text, []byte("\nPASS\n"))+1:]
	}
	if !live {
		_, _ = os.Stdout.Write(text)
	}
	if leaked > 0 {
		fmt.Printf("FAIL: the output above shows %d of the %d ids that were issued (SEC-28)\n", leaked, len(strings.Fields(string(ids))))
		code = 1
	}
	switch exit, ok := errors.AsType[*exec.ExitError](err); {
	case ok:
		return max(exit.ExitCode(), 1) // -1 is a signal's
	case err != nil || readErr != nil:
		fmt.Println(errors.Join(err, readErr))
		return 1
	}
	return code
}

// run runs the process, and passes on to it what is to end this one: go test sends
// SIGQUIT to see what hangs.
func run(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case sig := <-signals:
				_ = cmd.Process.Signal(sig)
			case <-done:
				return
			}
		}
	}()
	return cmd.Wait()
}

// forms are all that an id could be printed as.
func forms(value string) []string {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil // cut off: the process that wrote it down has crashed
	}
	return []string{
		value, base64.RawStdEncoding.EncodeToString(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		hex.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte(value))[:56],
		strings.Trim(fmt.Sprint(raw), "[]"), // as fmt prints bytes
	}
}

var (
	words   = regexp.MustCompile(`[A-Za-z0-9+/_-]{43,}`)
	numbers = regexp.MustCompile(`\d+(?: \d+){31,}`)
)

// leaks returns how many of the ids are in a text.
func leaks(text []byte, ids []string) int {
	known := map[string]string{}
	lengths := map[int]bool{}
	for _, value := range ids {
		for _, form := range forms(value) {
			known[form] = value
			lengths[len(form)] = true
		}
	}
	found := map[string]bool{}
	for _, word := range words.FindAllString(string(text), -1) {
		for n := range lengths {
			for i := 0; i+n <= len(word); i++ {
				if value, ok := known[word[i:i+n]]; ok {
					found[value] = true
				}
			}
		}
	}
	for _, row := range numbers.FindAllString(string(text), -1) {
		all := strings.Fields(row)
		for i := 0; i+32 <= len(all); i++ {
			if value, ok := known[strings.Join(all[i:i+32], " ")]; ok {
				found[value] = true
			}
		}
	}
	return len(found)
}

// The search finds an id in each form, amid other text.
func TestSEC28ALeakIsFound(t *testing.T) {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	value := base64.RawURLEncoding.EncodeToString(raw[:])
	for i, form := range forms(value) {
		for _, text := range []string{form, "id=" + form + "\n", "x" + form + "yz", "[" + form + "]"} {
			if i == 6 && strings.HasPrefix(text, "x") {
				continue // a number with letters at it is no number
			}
			if leaks([]byte(text), []string{value}) != 1 {
				t.Errorf("form %d is not found", i)
			}
		}
		if leaks([]byte(form[1:]), []string{value}) != 0 {
			t.Errorf("form %d is found though it is not there", i)
		}
	}
}

// leakIt is set where TestSEC28ALeakFailsTheRun wants a leak.
const leakIt = "SOJOURN_SESSION_TEST_LEAK"

// A test that passes, and logs an id, on purpose.
func TestLeak(t *testing.T) {
	where := os.Getenv(leakIt)
	if where == "" {
		t.Skip("for TestSEC28ALeakFailsTheRun")
	}
	b := newSite(t, session.Options{}).browser()
	b.visit()
	switch where {
	case "log":
		t.Log("a deliberate leak:", b.cookie)
	case "stdout":
		fmt.Printf("%x\n", b.value())
	case "stderr":
		log.Print(b.cookie)
	}
}

// A run in which an id is printed fails, though each test passes: also what is not shown
// without -v, and what goes past the tests' own output.
func TestSEC28ALeakFailsTheRun(t *testing.T) {
	for where, want := range map[string]int{"log": 1, "stdout": 1, "stderr": 1, "nowhere": 0} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeak$")
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, issuedFile+"=") }), leakIt+"="+where, "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != want || strings.Contains(string(out), "shows 1 of the 1 ids") != (want == 1) {
			t.Errorf("%s: exit code %d, want %d", where, code, want) // the output would be a leak
		}
	}
}
