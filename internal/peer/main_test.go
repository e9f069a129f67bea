package peer_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(withoutMain) == "" {
		peer.Main(open, map[string]peer.Func{
			"echo": echo, "env": env, "count": count, "fail": fail, "talk": talk, "panic": crash, "hold": hold, "parent": parent, "patient": patient,
		})
	}
	os.Exit(m.Run())
}

// withoutMain, in the environment, makes this a program that has forgotten to call Main.
const withoutMain = "SOJOURN_TEST_WITHOUT_MAIN"

// The stores that a process can have.
func open(_ context.Context, arg string) (store.Store, error) {
	kind, arg, _ := strings.Cut(arg, " ")
	switch kind {
	case "memory":
		return newAging(), nil
	case "bare": // the five verbs alone
		return struct{ store.Store }{memory.New(nil)}, nil
	case "hangs": // every call, until its context is done
		s := faulty.New(memory.New(nil))
		s.Fail(faulty.Fault{Kind: faulty.Delay})
		return s, nil
	case "deaf": // Load does not listen to its context
		return deaf{memory.New(nil)}, nil
	case "errors":
		return failing{memory.New(nil)}, nil
	case "noisy":
		fmt.Println("this is not for the pipe")
		return memory.New(nil), nil
	case "holds": // the connection to arg, until the process ends
		_, err := net.Dial("tcp", arg)
		return memory.New(nil), err
	case "exits":
		fmt.Fprintln(os.Stderr, "the last words")
		os.Exit(7)
	case "crashes":
		return crashing{memory.New(nil)}, nil
	case "tells":
		return telling{memory.New(nil), arg}, nil
	case "unclosed":
		return unclosed{memory.New(nil)}, nil
	}
	return nil, fmt.Errorf("no store %q: %w", kind, store.ErrInvalid)
}

// aging is a memory store whose clock can be set forward from another process: by
// Delete of "age" and a duration.
type aging struct {
	*memory.Store
	gone *atomic.Int64
}

func newAging() aging {
	gone := new(atomic.Int64)
	return aging{memory.New(&memory.Options{
		MaxData: maxData,
		Now:     func() time.Time { return time.Now().Add(time.Duration(gone.Load())) },
	}), gone}
}

const maxData = 2 << 20

func (s aging) Delete(ctx context.Context, id string) error {
	if by, ok := strings.CutPrefix(id, "age:"); ok {
		d, err := time.ParseDuration(by)
		s.gone.Add(int64(d))
		return err
	}
	return s.Store.Delete(ctx, id)
}

// failing fails with the error whose number is the id.
type failing struct{ *memory.Store }

func (s failing) Load(_ context.Context, id string) (store.Entry, error) {
	n, _ := strconv.Atoi(id)
	return store.Entry{}, sentinels[n]
}

var sentinels = []error{
	store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrCorrupt, store.ErrTooLarge, store.ErrInvalid,
	store.ErrFull, store.ErrClosed, store.ErrUnknown, context.Canceled, context.DeadlineExceeded, errors.ErrUnsupported,
}

// deaf never returns from Load.
type deaf struct{ *memory.Store }

func (deaf) Load(context.Context, string) (store.Entry, error) { select {} }

type crashing struct{ *memory.Store }

func (crashing) Load(context.Context, string) (store.Entry, error) { panic("out of cheese") }

// telling dials addr when it is called, and hangs.
type telling struct {
	*memory.Store
	addr string
}

func (s telling) tell(ctx context.Context) error {
	if _, err := net.Dial("tcp", s.addr); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s telling) Load(ctx context.Context, _ string) (store.Entry, error) {
	return store.Entry{}, s.tell(ctx)
}

func (s telling) Update(ctx context.Context, _ string, _ store.Record, _ time.Duration, _ store.Revision) (store.Revision, error) {
	return 0, s.tell(ctx)
}

type unclosed struct{ *memory.Store }

func (unclosed) Close() error { return store.ErrFull }

// The functions that a process can run.

func echo(_ context.Context, args []string, in io.Reader, out io.Writer) error {
	fmt.Println("this is not for the one that started it")
	fmt.Fprintln(out, strings.Join(args, ","))
	_, err := io.Copy(out, in)
	return err
}

// count sends args[1] lines to args[0], and waits for the answer to each.
func count(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	n, _ := strconv.Atoi(args[1])
	for i := range n {
		if _, err := fmt.Fprintln(c, "one more"); err != nil {
			return err
		}
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
		fmt.Fprintln(out, i)
	}
	return nil
}

// env writes the environment.
func env(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
	_, err := fmt.Fprint(out, os.Environ())
	return err
}

func fail(context.Context, []string, io.Reader, io.Writer) error {
	return errors.New("it is raining")
}

// talk writes far more to the standard error than anybody wants to read.
func talk(context.Context, []string, io.Reader, io.Writer) error {
	fmt.Fprintln(os.Stderr, "the beginning", strings.Repeat(".", 1<<20))
	return errors.New("the end")
}

func crash(context.Context, []string, io.Reader, io.Writer) error {
	panic("the sky falls")
}

// hold holds a connection to args[0] and listens to nobody.
func hold(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintln(out, "held")
	select {}
}

// patient waits for the end of its context.
func patient(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) > 0 {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		defer c.Close()
	}
	fmt.Fprintln(out, "waits")
	<-ctx.Done()
	fmt.Fprintln(out, "told")
	return ctx.Err()
}

// parent starts what args say, which holds a connection, and waits to be killed.
func parent(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var err error
	switch args[0] {
	case "store":
		_, err = peer.Start(ctx, "holds "+args[1])
	default:
		_, err = peer.Begin(ctx, args[0], args[1])
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "started")
	_, err = io.Copy(io.Discard, in)
	return err
}
