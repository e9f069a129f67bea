package conformance

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// In a bubble time goes on when every goroutine waits for something of the
// bubble. One that waits for a lock keeps it standing, so that a store that locks
// itself out, by a call inside its own listing or because a return forgot the
// Unlock, would hang the run for ever: no timeout of the bubble can pass. It is
// watched from outside.

// bubbleRun is what is known of a run in bubbles.
type bubbleRun struct {
	mu      sync.Mutex
	done    map[string]Result // by requirement
	hung    map[string]Result // before waivers and editions
	current *T                // the check that runs
	id      atomic.Int64      // of the bubble
	beat    atomic.Int64      // changes while it gets on
}

// verifyInBubble is Verify in a bubble of t's. A check that hangs is failed, and
// the rest goes on in a new bubble; the old one is left behind.
func verifyInBubble(t *testing.T, open Open, opts []Option) Report {
	run := &bubbleRun{done: map[string]Result{}, hung: map[string]Result{}}
	limit := configure(opts).limit
	for {
		var rep Report
		var blocked any // what synctest says of goroutines that wait for ever
		var whole atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() {
				if blocked = recover(); blocked != nil && !whole.Load() {
					panic(blocked)
				}
			}()
			synctest.Test(t, func(t *testing.T) {
				run.id.Store(int64(bubbleOf(ownStack())))
				rep = verify(t.Context(), open, opts, run)
				whole.Store(true)
				time.Sleep(time.Hour) // what a store leaves running has time to end
			})
		}()
		if run.watch(ended, limit) {
			if blocked != nil && rep.Err == "" && !rep.Failed() {
				rep.Err = fmt.Sprint("conformance: after the run: ", blocked)
			}
			return rep
		}
		switch {
		case run.abandon():
		case whole.Load():
			rep.Err = "conformance: after the run: a goroutine of the store waits for a lock for ever"
			return rep
		default:
			return Report{Schema: schema, Err: "conformance: open hangs on a lock"}
		}
	}
}

// watch returns true when the bubble has ended, and false when it never will.
func (run *bubbleRun) watch(ended <-chan struct{}, limit time.Duration) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since, suspicions := run.beat.Load(), time.Now(), 0
	for {
		select {
		case <-ended:
			return true
		case <-tick.C:
		}
		if n := run.beat.Load(); n != last {
			last, since, suspicions = n, time.Now(), 0
			continue
		}
		quiet := time.Since(since)
		if quiet < 2*time.Second {
			continue // a check that expects a lock finds it itself, see locked
		}
		if state(int(run.id.Load()), 0) == stuck {
			if suspicions++; suspicions == 3 {
				return false
			}
		} else if suspicions = 0; quiet > limit+time.Minute {
			return false // it turns in a circle
		}
	}
}

// abandon fails the check that hangs.
func (run *bubbleRun) abandon() bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	t := run.current
	if t == nil {
		return false
	}
	r, _ := find(t.id)
	run.hung[t.id] = t.result(r, "a call never returns: it waits for a lock that nobody gives back, or turns in a circle")
	run.current = nil
	return true
}

// locked reports, in a bubble, whether what closes done cannot get on because of
// a lock. Outside of one it returns false: there time goes on.
func locked(done <-chan struct{}) bool {
	own := ownStack()
	bubble := bubbleOf(own)
	if bubble == 0 {
		return false
	}
	for suspicions := 0; suspicions < 20; {
		for range 200 {
			select {
			case <-done:
				return false
			default:
				runtime.Gosched()
			}
		}
		switch state(bubble, goroutineOf(own)) {
		case waits:
			return false
		case stuck:
			suspicions++
		case runs:
			suspicions = 0
		}
	}
	return true
}

// What a bubble does.
const (
	runs  = iota // some goroutine of it does
	waits        // all wait, and time can go on
	stuck        // all wait, some of them for a lock
)

// state is what a bubble does, one of its goroutines apart.
func state(bubble, but int) int {
	if bubble == 0 {
		return runs
	}
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	is := waits
	for _, g := range strings.Split(string(buf), "\n\n") {
		if bubbleOf(g) != bubble || goroutineOf(g) == but {
			continue
		}
		switch m := header.FindStringSubmatch(g); {
		case strings.Contains(m[2], "(durable)"):
		case strings.HasPrefix(m[2], "sync."), strings.HasPrefix(m[2], "semacquire"):
			is = stuck
		default:
			return runs
		}
	}
	return is
}

// header is the first line of a goroutine in a stack.
var header = regexp.MustCompile(`^goroutine (\d+)[^\[]*\[([^\]]*)\]`)

var inBubble = regexp.MustCompile(`synctest bubble (\d+)`)

func ownStack() string {
	buf := make([]byte, 200)
	return string(buf[:runtime.Stack(buf, false)])
}

func goroutineOf(stack string) (id int) {
	if m := header.FindStringSubmatch(stack); m != nil {
		_, _ = fmt.Sscan(m[1], &id)
	}
	return id
}

// bubbleOf is the number of a goroutine's bubble, 0 outside of any.
func bubbleOf(stack string) (id int) {
	if m := header.FindStringSubmatch(stack); m != nil {
		if m := inBubble.FindStringSubmatch(m[2]); m != nil {
			_, _ = fmt.Sscan(m[1], &id)
		}
	}
	return id
}

// run is engine.run for a requirement, unless it is known already what comes of
// it.
func (run *bubbleRun) run(e *engine, r Requirement) Result {
	run.mu.Lock()
	done, isDone := run.done[r.ID]
	hung, isHung := run.hung[r.ID]
	run.mu.Unlock()
	switch {
	case isDone:
		return done
	case isHung:
		return e.judge(r, hung)
	}
	e.begins = func(t *T) {
		run.mu.Lock()
		defer run.mu.Unlock()
		run.current = t
	}
	res := e.run(r, nil)
	run.mu.Lock()
	defer run.mu.Unlock()
	run.done[r.ID], run.current = res, nil
	return res
}
