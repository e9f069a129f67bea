package counter

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
)

// EndedStaysEnded has hundreds of sessions visited in three counters at once, while one of
// them is asked to end the session. However they fall, the session is gone afterwards: its
// cookie begins anew.
//
// A visit in each counter is enough: what makes a session live again is one write that comes
// late, and a second one has it begin again.
func EndedStaysEnded(t *testing.T, storeURL string) {
	t.Helper()
	const lanes = 4
	rounds := int64(250) // CI has a thousand
	if verbs.Further() {
		rounds = 1000
	}
	program := Build(t)
	var counters []*Counter
	for range 3 {
		c := program.Start(t, storeURL)
		defer c.Stop(t)
		counters = append(counters, c)
	}
	var begun, amid, busy atomic.Int64
	var wg sync.WaitGroup
	for n := range lanes {
		wg.Go(func() {
			l := lane{counters: counters, busy: &busy, rng: rand.New(rand.NewPCG(uint64(n), uint64(time.Now().UnixNano()))), spread: least}
			for begun.Add(1) <= rounds && !t.Failed() {
				if l.round(t) {
					amid.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d rounds, in %d of them the end fell among the visits; %d requests were asked to try again", rounds, amid.Load(), busy.Load())
	if amid.Load() < rounds/20 {
		t.Errorf("the end fell among the visits in %d of %d rounds: this shows little", amid.Load(), rounds)
	}
	if busy.Load() > rounds/2 { // a machine that stands still once keeps all lanes waiting
		t.Errorf("%d requests were not answered in the store's time", busy.Load())
	}
}

// least is how long the visits of a round are apart where the end takes no time.
const least = 4 * time.Millisecond

// lane has one session after the other ended, beside other lanes: most of a round is to wait.
type lane struct {
	counters []*Counter
	busy     *atomic.Int64 // counts what a busy machine did not answer in time
	rng      *rand.Rand

	// So that the end falls among the visits, however slow a visit or the end is.
	late   time.Duration // of the visits
	spread time.Duration // of when they begin
}

// round is the life of one session. It reports whether some visits came before the end and
// some after it.
func (l *lane) round(t *testing.T) (amid bool) {
	first, _ := l.ask(t, Tab{}, "GET", l.any())
	if first.Cookie == nil {
		return false
	}
	id := first.Cookie.Value
	var before, after atomic.Int64
	var wg sync.WaitGroup
	for _, c := range l.counters {
		b, delay := first, l.delay()+max(l.late, 0)
		wg.Go(func() {
			time.Sleep(delay) // so that the orders differ; nothing waits for it
			switch n, err := b.Do(t.Context(), "GET", c.URL); {
			case errors.Is(err, errBusy):
				l.busy.Add(1)
			case err != nil:
				t.Error(err)
			case n == 1:
				after.Add(1)
			default:
				before.Add(1)
			}
		})
	}
	at, delay := l.any(), l.delay()+max(-l.late, 0)
	var took time.Duration
	wg.Go(func() {
		time.Sleep(delay)
		start := time.Now()
		defer func() { took = time.Since(start) }()
		l.ask(t, first, "POST", at+"/end") // nothing has ended before that is answered
	})
	wg.Wait()
	const most = 20 * time.Millisecond
	l.spread = (l.spread + min(max(2*took, least), most)) / 2
	switch {
	case after.Load() == 0:
		l.late = min(l.late+l.spread/16, most)
	case before.Load() == 0:
		l.late = max(l.late-l.spread/16, -most)
	default:
		amid = true
	}
	// Whichever is asked: what they know of the session is in the store that they share.
	again, n := l.ask(t, first, "GET", l.any())
	if n != 1 || again.Cookie == nil || again.Cookie.Value == id {
		t.Errorf("visit %d of the session that was ended, or its id is in use again", n)
	}
	return amid
}

// ask asks as the tab does, until it is answered.
func (l *lane) ask(t *testing.T, as Tab, method, url string) (after Tab, visits int) {
	for {
		b := as
		n, err := b.Do(t.Context(), method, url)
		if !errors.Is(err, errBusy) {
			if err != nil {
				t.Error(err)
			}
			return b, n
		}
		if l.busy.Add(1) > 1000 {
			t.Error(err)
			return b, n
		}
	}
}

// any is the URL of one of the counters.
func (l *lane) any() string { return l.counters[l.rng.IntN(len(l.counters))].URL }

func (l *lane) delay() time.Duration { return time.Duration(l.rng.Int64N(int64(l.spread))) }
