package counter

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// GoesOn is the lesson's scene: two browsers count apart, and a restart changes nothing.
func GoesOn(t *testing.T, storeURL string) {
	t.Helper()
	program := Build(t)
	var one, two Tab
	c := program.Start(t, storeURL)
	one.Visits(t, c.URL, 1)
	one.Visits(t, c.URL, 2)
	two.Visits(t, c.URL, 1)
	c.Stop(t)
	c = program.Start(t, storeURL)
	defer c.Stop(t)
	one.Visits(t, c.URL, 3)
	two.Visits(t, c.URL, 2)
	old := one
	if _, err := one.Do(t.Context(), "POST", c.URL+"/end"); err != nil {
		t.Error(err)
	}
	one.Visits(t, c.URL, 1)
	old.Visits(t, c.URL, 1) // the cookie of before is worth nothing
	two.Visits(t, c.URL, 3)
}

// EndedStaysEnded has three counters visited at once, a thousand times, while one of them
// is asked to end the session. However they fall, the session is gone afterwards: its
// cookie begins anew.
func EndedStaysEnded(t *testing.T, storeURL string) {
	t.Helper()
	const rounds = 1000
	program := Build(t)
	var counters []*Counter
	for range 3 {
		c := program.Start(t, storeURL)
		defer c.Stop(t)
		counters = append(counters, c)
	}
	rng := rand.New(rand.NewPCG(4, uint64(time.Now().UnixNano())))
	amid := 0              // rounds in which some visits came before the end and some after it
	var late time.Duration // of the visits, so that the end falls among them, however slow a visit or the end is
	for range rounds {
		var first Tab
		first.Visits(t, counters[0].URL, 1)
		id := first.Cookie.Value
		before, after := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 6 {
			b := first
			delay := time.Duration(rng.IntN(4000))*time.Microsecond + max(late, 0)
			wg.Go(func() {
				time.Sleep(delay) // so that the orders differ; nothing waits for it
				n, err := b.Do(t.Context(), "GET", counters[i%3].URL)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if n == 1 {
					after++
				} else {
					before++
				}
			})
		}
		ender, at := first, rng.IntN(3)
		delay := time.Duration(rng.IntN(4000))*time.Microsecond + max(-late, 0)
		wg.Go(func() {
			time.Sleep(delay)
			if _, err := ender.Do(t.Context(), "POST", counters[at].URL+"/end"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		const step, most = 250 * time.Microsecond, 20 * time.Millisecond
		switch {
		case after == 0:
			late = min(late+step, most)
		case before == 0:
			late = max(late-step, -most)
		default:
			amid++
		}
		for _, c := range counters {
			again := first
			again.Visits(t, c.URL, 1)
			if again.Cookie.Value == id {
				t.Fatal("the id that was ended is in use again")
			}
		}
	}
	t.Logf("%d rounds, in %d of them the end fell among the visits", rounds, amid)
	if amid < rounds/10 {
		t.Errorf("the end fell among the visits in %d of %d rounds: this shows little", amid, rounds)
	}
}
