package call_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

var errBroken = errors.New("broken, with an id in it")

func caller(timeout time.Duration) *call.Caller {
	return &call.Caller{Name: "test", Timeout: timeout, Told: func(err error, unsure bool) error {
		if unsure {
			return errors.New("told, unsure")
		}
		return errors.New("told")
	}}
}

// scripted answers with the verdicts in turn, and then with success. It notes when it
// was called, and whether unsure.
func scripted(calls *[]bool, verdicts ...call.Verdict) func(context.Context, bool) (call.Verdict, error) {
	return func(_ context.Context, unsure bool) (call.Verdict, error) {
		n := len(*calls)
		*calls = append(*calls, unsure)
		if n < len(verdicts) {
			return verdicts[n], errBroken
		}
		return call.Final, nil
	}
}

func TestRunRepeats(t *testing.T) {
	const f, a, w, l, u = call.Final, call.Again, call.Anew, call.Lost, call.Unclear
	for name, c := range map[string]struct {
		kind     call.Kind
		verdicts []call.Verdict
		unsure   []bool // of each attempt
		unknown  bool   // the outcome
		fails    bool
	}{
		"at once":           {call.Writes, nil, []bool{false}, false, false},
		"an answer":         {call.Writes, []call.Verdict{f}, []bool{false}, false, true},
		"lost":              {call.Writes, []call.Verdict{l}, []bool{false, true}, false, false},
		"lost, a read":      {call.Reads, []call.Verdict{l}, []bool{false, false}, false, false},
		"refused, then":     {call.Writes, []call.Verdict{a}, []bool{false, false}, false, false},
		"lost, refused":     {call.Writes, []call.Verdict{l, a, a}, []bool{false, true, true, true}, false, false},
		"lost, an answer":   {call.Writes, []call.Verdict{l, f}, []bool{false, true}, true, true},
		"anew for ever":     {call.Writes, []call.Verdict{w, w, w, w, w}, []bool{false, false, false, false}, false, true},
		"unclear, a write":  {call.Writes, []call.Verdict{u}, []bool{false, true}, false, false},
		"unclear for ever":  {call.Writes, []call.Verdict{u, u, u, u, u}, []bool{false, true, true, true}, true, true},
		"unclear, a read":   {call.Reads, []call.Verdict{u, u, u, u, u}, []bool{false, false, false, false}, false, true},
		"refused, answered": {call.Writes, []call.Verdict{a, f}, []bool{false, false}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []bool
				err := caller(0).Run(t.Context(), c.kind, scripted(&calls, c.verdicts...))
				if len(calls) != len(c.unsure) {
					t.Fatalf("%d attempts, want %d; %v", len(calls), len(c.unsure), err)
				}
				for i, u := range calls {
					if u != c.unsure[i] {
						t.Errorf("attempt %d: unsure is %v", i, u)
					}
				}
				if (err != nil) != c.fails || errors.Is(err, store.ErrUnknown) != c.unknown {
					t.Errorf("got %v", err)
				}
				if c.unknown && !strings.Contains(err.Error(), "told, unsure") {
					t.Errorf("what refused the repeat was not told as such: %v", err)
				}
				if err != nil && strings.Contains(err.Error(), "with an id") {
					t.Errorf("the text was not told: %v", err)
				}
			})
		})
	}
}

// A write that was answered, and whose question why was lost, was not applied.
func TestRunQuestion(t *testing.T) {
	for _, c := range []struct {
		err    error
		unsure bool // of the second attempt
	}{{errBroken, true}, {call.Question(errBroken), false}} {
		attempts, unsure := 0, false
		err := caller(0).Run(t.Context(), call.Writes, func(_ context.Context, u bool) (call.Verdict, error) {
			if attempts++; attempts == 1 {
				return call.Lost, c.err
			}
			unsure = u
			return call.Final, nil
		})
		if err != nil || attempts != 2 || unsure != c.unsure {
			t.Errorf("%v: %v after %d attempts, unsure is %v", c.err, err, attempts, unsure)
		}
	}
	if call.Question(nil) != nil || call.Question(store.ErrCorrupt) != store.ErrCorrupt {
		t.Error("an answer is none")
	}
}

// A store that never gets an answer gives up after its call time, and says so.
func TestRunEnds(t *testing.T) {
	for _, c := range []struct{ timeout, deadline, want time.Duration }{
		{0, 0, 2 * time.Second},
		{300 * time.Millisecond, 0, 300 * time.Millisecond},
		{0, 100 * time.Millisecond, 100 * time.Millisecond},
		{-1, 5 * time.Second, 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			why := errors.New("why")
			if c.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, c.deadline, why)
				defer cancel()
			}
			began := time.Now()
			err := caller(c.timeout).Run(ctx, call.Writes, func(ctx context.Context, _ bool) (call.Verdict, error) {
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
				return call.Lost, errBroken
			})
			if took := time.Since(began); took != c.want {
				t.Errorf("it took %v, want %v", took, c.want)
			}
			for _, is := range []error{context.DeadlineExceeded, store.ErrUnknown} {
				if !errors.Is(err, is) {
					t.Errorf("got %v, want %v", err, is)
				}
			}
			if c.deadline > 0 && !errors.Is(err, why) {
				t.Errorf("got %v, want the cause that the caller gave", err)
			}
		})
	}
}

// A cancellation lets an attempt end, and is told; where there is no call time, and
// for what ends with it, it ends the attempt.
func TestRunCancelled(t *testing.T) {
	for _, c := range []struct {
		timeout time.Duration
		kind    call.Kind
		ends    bool
	}{{0, call.Writes, false}, {-1, call.Writes, true}, {0, call.Kind{Patience: 1, Ends: true}, true}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			began := time.Now()
			err := caller(c.timeout).Run(ctx, c.kind, func(ctx context.Context, _ bool) (call.Verdict, error) {
				select {
				case <-ctx.Done():
					return call.Lost, ctx.Err()
				case <-time.After(time.Second):
					return call.Final, nil
				}
			})
			took := time.Since(began)
			if c.ends && (took != time.Millisecond || !errors.Is(err, context.Canceled)) {
				t.Errorf("got %v after %v, want the cancellation at once", err, took)
			}
			if !c.ends && (took != time.Second || err != nil) {
				t.Errorf("got %v after %v, want the answer", err, took)
			}
		})
	}
}

func TestClosed(t *testing.T) {
	c := caller(0)
	if err := c.Check(nil); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := c.Fail("load", c.Check(nil)); !errors.Is(err, store.ErrClosed) || !strings.HasPrefix(err.Error(), "test: load: ") {
		t.Errorf("got %v", err)
	}
	// What the driver says of a client that is closed under a call is not told.
	err := c.Run(t.Context(), call.Reads, func(context.Context, bool) (call.Verdict, error) { return call.Final, errBroken })
	if err != store.ErrClosed {
		t.Errorf("got %v", err)
	}
}

func TestFailOfNotFoundIsItself(t *testing.T) {
	if err := caller(0).Fail("load", store.ErrNotFound); err != store.ErrNotFound {
		t.Errorf("got %v", err)
	}
}

// A call whose last attempt ran out of time says what kept those before from going well.
func TestRunTellsWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := caller(0)
		c.Told = func(err error, _ bool) error { return err }
		tries := 0
		err := c.Run(t.Context(), call.Reads, func(ctx context.Context, _ bool) (call.Verdict, error) {
			if tries++; tries == 1 {
				return call.Again, errBroken
			}
			<-ctx.Done()
			return call.Lost, ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBroken) {
			t.Errorf("got %v, want both", err)
		}
	})
}
