package faulty_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

var ctx = context.Background()

// Without a fault it is the store that it wraps.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(testing.TB) conformance.Subject {
		return conformance.Subject{Store: faulty.New(memory.New(nil)), Precision: time.Nanosecond}
	}, conformance.InBubble(), conformance.Claim(conformance.Core, conformance.Listing))
}

func Example() {
	s := faulty.New(memory.New(nil))
	undo := s.Fail(faulty.Fault{Kind: faulty.After, Verb: faulty.Create, Times: 1})
	_, err := s.Create(ctx, "id", store.Record{}, time.Hour)
	fmt.Println(err)
	_, err = s.Load(ctx, "id")
	fmt.Println("and yet it is there:", err)
	fmt.Println("struck:", undo())
	// Output:
	// faulty: Create: faulty: injected failure
	// and yet it is there: <nil>
	// struck: 1
}

func TestBeforeLeavesNothing(t *testing.T) {
	s := faulty.New(memory.New(nil))
	mine := errors.New("mine")
	undo := s.Fail(faulty.Fault{Kind: faulty.Before, Skip: 1, Times: 2, Err: mine})
	for i, want := range []error{nil, mine, mine, nil} {
		if _, err := s.Create(ctx, fmt.Sprint("id", i), store.Record{}, time.Hour); !errors.Is(err, want) {
			t.Errorf("call %d: got %v, want %v", i, err, want)
		}
	}
	if n := undo(); n != 2 {
		t.Errorf("struck %d times, want 2", n)
	}
	if n, err := s.Count(ctx); n != 2 || err != nil {
		t.Errorf("%d sessions, %v, want the 2 whose Create succeeded", n, err)
	}
	if s.Calls(faulty.Create) != 4 || s.Calls("") != 5 {
		t.Errorf("%d Creates of %d calls, want 4 of 5", s.Calls(faulty.Create), s.Calls(""))
	}
}

func TestDelayEndsWithItsContextAndItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty.New(memory.New(nil))
		undo := s.Fail(faulty.Fault{Kind: faulty.Delay, Delay: time.Second})
		start := time.Now()
		if err := s.Ping(ctx); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want no error after 1 s", err, time.Since(start))
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := s.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		undo()
		start = time.Now()
		if err := s.Ping(ctx); err != nil || time.Since(start) != 0 {
			t.Errorf("undone: %v after %v", err, time.Since(start))
		}
	})
}

func TestCutStrikesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty.New(memory.New(nil))
		for i := range 9 {
			if _, err := s.Create(ctx, fmt.Sprint("id", i), store.Record{}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		undoDelay := s.Fail(faulty.Fault{Kind: faulty.Delay, Verb: faulty.Delete})
		held := make(chan error)
		go func() { held <- s.Delete(ctx, "id0") }()
		synctest.Wait()

		seen := 0
		var undo func() int
		var last error
		for _, err := range s.List(ctx, store.Query{}) {
			if last = err; err != nil {
				break
			}
			if seen++; seen == 3 {
				undo = s.Fail(faulty.Fault{Kind: faulty.Cut})
			}
		}
		if seen != 3 || !errors.Is(last, faulty.ErrInjected) {
			t.Errorf("a listing that was cut after 3: %d sessions, then %v", seen, last)
		}
		if err := <-held; !errors.Is(err, faulty.ErrInjected) {
			t.Errorf("a Delete under way when it was cut: got %v", err)
		}
		if undo() < 2 || undoDelay() != 1 {
			t.Error("a fault did not strike")
		}
		if _, err := s.Load(ctx, "id0"); err != nil {
			t.Errorf("what the cut Delete was to delete: %v", err)
		}
	})
}
