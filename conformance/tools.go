package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// What checks are made of: ids, data, and many calls at once.

// printable is what data and ids are made of where they are not what is tested,
// so that a store that spoils odd bytes or the case of letters fails the checks
// that are about that, and no others.
const printable = "abcdefghijklmnopqrstuvwxyz0123456789"

// newID returns an id of 43 characters, as a manager's are.
func (t *T) newID() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nextID++
	b := fmt.Appendf(nil, "%03d-", t.nextID)
	for len(b) < 43 {
		b = append(b, printable[t.rng.IntN(len(printable))])
	}
	return string(b)
}

func (t *T) newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = t.newID()
	}
	return ids
}

// noise returns n random bytes.
func (t *T) noise(n int) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], t.rng.Uint64())
		copy(b[i:], word[:])
	}
	return b
}

// text returns n random printable bytes.
func (t *T) text(n int) []byte {
	b := t.noise(n)
	for i := range b {
		b[i] = printable[int(b[i])%len(printable)]
	}
	return b
}

func (t *T) record(owner string) store.Record { return store.Record{Data: t.text(64), Owner: owner} }

// plain is a small record, for sessions that are there by the hundred.
func plain(owner string) store.Record { return store.Record{Data: []byte("x"), Owner: owner} }

// wantErr fails unless err is one of want.
func (t *T) wantErr(what string, err error, want ...error) {
	for _, w := range want {
		if errors.Is(err, w) {
			return
		}
	}
	t.Errorf("%s\n  got:  %s\n  want: %s", what, errText(err), names(want))
}

// together runs n functions at once and waits for all of them. They begin at one
// moment: started one after the other, the first would be over before the last
// begins, and nothing would ever meet.
func (t *T) together(n int, f func(i int)) {
	var wg sync.WaitGroup
	var ready atomic.Int32
	// Who yields has the last one run before him, on the same processor. Where there
	// is one for each, it takes some microseconds until it comes.
	spins := 0
	if n <= runtime.GOMAXPROCS(0) && !t.bubbled() {
		spins = 20_000
	}
	for i := range n {
		wg.Go(func() {
			ready.Add(1)
			for spun := 0; ready.Load() < int32(n); spun++ {
				if spun >= spins {
					runtime.Gosched()
				}
			}
			if spins > 0 {
				// The one who came last is ahead of those who have yet to see it; by
				// how much must differ, if two are to meet at each point of a call.
				for range rand.IntN(200) {
					ready.Load()
				}
			}
			t.guard(func() { f(i) })
		})
	}
	wg.Wait()
}

// rounds counts to most, as often as something is tried that only shows by
// chance; with a slow store it ends after 2 s, but not below least.
func (t *T) rounds(least, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		start := time.Now()
		for i := range most {
			if i >= least && time.Since(start) > 2*time.Second || t.Failed() || t.ctx.Err() != nil || !yield(i) {
				return
			}
		}
	}
}

// duels is how often two calls are let go at one moment. In a bubble it is less:
// there a store that takes no time is seldom tested for the first time, and one that
// waits is caught by far fewer.
func (t *T) duels() int {
	if t.bubbled() {
		return 60
	}
	return 6000
}

// eventually asks ok until it says yes, or for at most d.
func (t *T) eventually(d time.Duration, ok func() bool) bool {
	pause := time.Millisecond
	for end := time.Now().Add(d); ; pause = min(2*pause, d/20) {
		if ok() {
			return true
		}
		if time.Now().After(end) || t.ctx.Err() != nil {
			return false
		}
		time.Sleep(pause)
	}
}

func second[A, B any](_ A, b B) B { return b }
