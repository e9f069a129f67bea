package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// stub is a store whose verbs do what a test wants: nothing, if it wants nothing.
type stub struct {
	load   func(ctx context.Context, id string) (store.Entry, error)
	create func(id string) (store.Revision, error)
}

func (s stub) Load(ctx context.Context, id string) (store.Entry, error) {
	if s.load == nil {
		return store.Entry{}, store.ErrNotFound
	}
	return s.load(ctx, id)
}

func (s stub) Create(_ context.Context, id string, _ store.Record, _ time.Duration) (store.Revision, error) {
	if s.create == nil {
		return 1, nil
	}
	return s.create(id)
}

func (stub) Update(context.Context, string, store.Record, time.Duration, store.Revision) (store.Revision, error) {
	return 2, nil
}
func (stub) Touch(context.Context, string, time.Duration) error { return nil }
func (stub) Delete(context.Context, string) error               { return nil }

// opens is an Open of a stub. It keeps LOAD-2 and breaks LOAD-1.
func opens(s stub) Open { return func(testing.TB) Subject { return Subject{Store: s} } }

func one(t *testing.T, rep Report, id string) Result {
	t.Helper()
	i := slices.IndexFunc(rep.Results, func(r Result) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("the report has no %s: %s", id, rep.Err)
	}
	return rep.Results[i]
}

func TestWaivers(t *testing.T) {
	yesterday, tomorrow := time.Now().AddDate(0, 0, -1).Format(time.DateOnly), time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	today := time.Now().UTC().Format(time.DateOnly)
	for _, c := range []struct {
		id, until string
		want      Status
		reason    string
	}{
		{"LOAD-1", "", Waived, "because"},
		{"LOAD-1", tomorrow, Waived, "without the waiver"},
		{"LOAD-1", today, Waived, "because"}, // the day itself is in it
		{"LOAD-1", yesterday, Fail, "ended"},
		{"LOAD-2", "", Fail, "remove the waiver"},
	} {
		ran := false
		s := stub{create: func(string) (store.Revision, error) { ran = true; return 1, nil }}
		res := one(t, Verify(t.Context(), opens(s), Only(c.id), Waive(c.id, "because", c.until)), c.id)
		if res.Status != c.want || !strings.Contains(res.Reason, c.reason) || !ran {
			t.Errorf("%s waived until %q: %s, %q, ran %v", c.id, c.until, res.Status, res.Reason, ran)
		}
	}
	for _, o := range []Option{
		Waive("NOPE-1", "why", ""), Waive("LOAD-1", "", ""), Waive("LOAD-1", "why", "June"), Claim("all"), Only("("), Edition("1999.1"),
	} {
		if rep := Verify(t.Context(), opens(stub{}), o); rep.Err == "" || !rep.Failed() || len(rep.Results) > 0 {
			t.Errorf("an option that means nothing was taken: %s", rep.Summary())
		}
	}
}

func TestNewerThanTheEdition(t *testing.T) {
	e, err := newEngine(t.Context(), opens(stub{}), []Option{Strict()})
	if err != nil {
		t.Fatal(err)
	}
	e.edition.ids = []string{"LOAD-2"}
	var results []Result
	for _, id := range []string{"LOAD-1", "LOAD-2"} {
		r, _ := find(id)
		results = append(results, e.run(r, nil))
	}
	rep := e.report(results, "", nil)
	if res := one(t, rep, "LOAD-1"); res.Status != New || !strings.Contains(res.Reason, "fail") || res.Sentence == "" {
		t.Errorf("newer than the edition, and broken: %s %q", res.Status, res.Reason)
	}
	if res := one(t, rep, "LOAD-2"); res.Status != Pass {
		t.Errorf("of the edition: %s %q", res.Status, res.Reason)
	}
	if rep.Failed() || !slices.Contains(rep.Levels, Core) {
		t.Errorf("what is new failed the run: %s", rep.Summary())
	}
}

func TestStrict(t *testing.T) {
	// OWNER-1 cannot be tested here, SIZE-1 does not concern the store.
	for _, strict := range []bool{false, true} {
		opts := []Option{Only("OWNER-1|SIZE-1|TTL-1")}
		want := Skip
		if strict {
			opts, want = append(opts, Strict()), Fail
		}
		rep := Verify(t.Context(), opens(stub{}), append(opts, Claim(Listing))...)
		if res := one(t, rep, "OWNER-1"); res.Status != Fail && strict || res.Status == Pass {
			t.Errorf("strict %v, no ability: %s %q, want %s", strict, res.Status, res.Reason, want)
		}
		if res := one(t, rep, "SIZE-1"); res.Status != Skip || !strings.Contains(res.Reason, "not claimed") {
			t.Errorf("strict %v, not claimed: %s %q", strict, res.Status, res.Reason)
		}
		rep = Verify(t.Context(), opens(stub{}), append(opts, Only("SIZE-1"))...)
		if res := one(t, rep, "SIZE-1"); res.Status != Skip {
			t.Errorf("strict %v, does not concern the store: %s %q", strict, res.Status, res.Reason)
		}
	}
}

func TestOutOfTimeIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := stub{load: func(ctx context.Context, _ string) (store.Entry, error) {
			select {
			case <-ctx.Done():
				return store.Entry{}, ctx.Err()
			case <-time.After(time.Minute):
				return store.Entry{}, store.ErrNotFound
			}
		}}
		rep := Verify(t.Context(), opens(slow), Only("LOAD-2"))
		if res := one(t, rep, "LOAD-2"); res.Status != Unknown || rep.Failed() {
			t.Errorf("a store that is only slow: %s %q", res.Status, res.Reason)
		}
		if res := one(t, Verify(t.Context(), opens(slow), Only("LOAD-2"), Strict()), "LOAD-2"); res.Status != Fail || !strings.Contains(res.Reason, "strict") {
			t.Errorf("the same, strict: %s %q", res.Status, res.Reason)
		}
		// What failed in time is a failure, whatever comes then.
		wrong := stub{load: func(ctx context.Context, _ string) (store.Entry, error) {
			select {
			case <-ctx.Done():
			case <-time.After(40 * time.Second):
			}
			return store.Entry{}, nil
		}}
		if res := one(t, Verify(t.Context(), opens(wrong), Only("LOAD-2")), "LOAD-2"); res.Status != Fail {
			t.Errorf("a store that is wrong and slow: %s %q", res.Status, res.Reason)
		}
	})
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := stub{load: func(context.Context, string) (store.Entry, error) { <-release; return store.Entry{}, store.ErrNotFound }}
		rep := Verify(t.Context(), opens(deaf), Only("LOAD-2|CREATE-1"))
		if res := one(t, rep, "LOAD-2"); res.Status != Fail || !strings.Contains(res.Reason, "did not return") {
			t.Errorf("a call that never returns: %s %q", res.Status, res.Reason)
		}
		close(release)
	})
}

func TestHangOnALockInABubble(t *testing.T) {
	t.Parallel() // it waits in real time
	var mu sync.Mutex
	forgets := stub{load: func(context.Context, string) (store.Entry, error) {
		mu.Lock() // and no Unlock
		return store.Entry{}, store.ErrNotFound
	}}
	defer mu.Unlock() // one of those that wait for it may end
	start := time.Now()
	rep := verifyInBubble(t, opens(forgets), []Option{Only("LOAD-2|CREATE-1|DELETE-1"), Waive("DELETE-1", "a test", "")})
	if res := one(t, rep, "LOAD-2"); res.Status != Fail || !strings.Contains(res.Reason, "lock") || len(res.Calls) == 0 {
		t.Errorf("a lock that is not given back: %s %q %v", res.Status, res.Reason, res.Calls)
	}
	if res := one(t, rep, "DELETE-1"); res.Status != Waived {
		t.Errorf("the same, waived: %s %q", res.Status, res.Reason)
	}
	if len(rep.Results) != 3 || rep.Err != "" {
		t.Errorf("%d results, %s", len(rep.Results), rep.Err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v to find out", took)
	}
}

func TestLeftoversEndNoBubble(t *testing.T) {
	leaves := func(testing.TB) Subject {
		never := make(chan struct{})
		go func() { <-never }()
		return Subject{Store: stub{}}
	}
	rep := verifyInBubble(t, leaves, []Option{Only("LOAD-2")})
	if res := one(t, rep, "LOAD-2"); res.Status != Pass || !strings.Contains(rep.Err, "after the run") || !rep.Failed() {
		t.Errorf("a goroutine that waits for ever: %s, %q", res.Status, rep.Err)
	}
}

func TestLeftoversOnALock(t *testing.T) {
	t.Parallel() // it waits in real time
	var mu sync.Mutex
	mu.Lock()
	defer mu.Unlock()
	leaves := func(testing.TB) Subject {
		go func() {
			mu.Lock()
			defer mu.Unlock() // it only waits
		}()
		return Subject{Store: stub{}}
	}
	// No check waits here: the bubble's time stops at the end of the run.
	rep := verifyInBubble(t, leaves, []Option{Only("LOAD-2")})
	if res := one(t, rep, "LOAD-2"); res.Status != Pass || !strings.Contains(rep.Err, "lock") {
		t.Errorf("a goroutine that waits for a lock for ever: %s, %q", res.Status, rep.Err)
	}
}

func TestPanicIsAFailure(t *testing.T) {
	panics := stub{
		load:   func(context.Context, string) (store.Entry, error) { panic("no rows") },
		create: func(string) (store.Revision, error) { panic("no rows") },
	}
	rep := Verify(t.Context(), opens(panics), Only("LOAD-2|CREATE-4|CONC-1|DELETE-4"))
	for _, id := range []string{"LOAD-2", "CREATE-4", "CONC-1", "DELETE-4"} {
		res := one(t, rep, id)
		if res.Status != Fail || !strings.Contains(res.Explain(), "panic: no rows") || !strings.Contains(res.Reason, "engine_test.go") {
			t.Errorf("%s: %s\n%s", id, res.Status, res.Explain())
		}
	}
	// In what open leaves to be done afterwards, too.
	rep = Verify(t.Context(), func(tb testing.TB) Subject {
		if tb.Name() != "open" {
			tb.Cleanup(func() { panic("at the end") })
			tb.Cleanup(func() { tb.Fatal("before the end") })
		}
		return Subject{Store: stub{}}
	}, Only("LOAD-2"))
	if res := one(t, rep, "LOAD-2"); res.Status != Fail || !strings.Contains(res.Reason, "at the end") || !strings.Contains(res.Reason, "before the end") {
		t.Errorf("cleanups: %s %q", res.Status, res.Reason)
	}
}

func TestOpenThatCannot(t *testing.T) {
	for name, c := range map[string]struct {
		open         Open
		err, skipped string
	}{
		"nil":      {nil, "open is nil", ""},
		"fails":    {func(tb testing.TB) Subject { tb.Fatal("no server"); return Subject{} }, "no server", ""},
		"panics":   {func(testing.TB) Subject { panic("no server") }, "no server", ""},
		"no store": {func(testing.TB) Subject { return Subject{} }, "without a Store", ""},
		"skips":    {func(tb testing.TB) Subject { tb.Skip("no Docker"); return Subject{} }, "", "no Docker"},
	} {
		rep := Verify(t.Context(), c.open)
		if !strings.Contains(rep.Err, c.err) || (rep.Err == "") != (c.err == "") || rep.Skipped != c.skipped || len(rep.Levels) > 0 {
			t.Errorf("%s: error %q, skipped %q, levels %v", name, rep.Err, rep.Skipped, rep.Levels)
		}
		if rep.Failed() != (c.err != "") {
			t.Errorf("%s: failed %v", name, rep.Failed())
		}
	}
}

// A run that is ended by its context blames nobody.
func TestInterruptedRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := stub{create: func(string) (store.Revision, error) { cancel(); return 0, errors.New("interrupted") }}
	if rep := Verify(ctx, opens(s), Only("LOAD-1|CREATE-1")); rep.Failed() || one(t, rep, "CREATE-1").Status != Unknown {
		t.Errorf("%s", rep.Summary())
	}
}
