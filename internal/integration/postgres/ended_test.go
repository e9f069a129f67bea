package postgres_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// SEC-16: visits to three processes at once, while one of them is asked to end the
// session. However they fall, the session is gone afterwards: its cookie begins anew.
func TestEndedStaysEnded(t *testing.T) {
	const rounds = 1000
	x := newTable(t, shared.URL(t))
	storeURL := x.url + "&table=" + x.opts.Table
	var counters []*counter
	for range 3 {
		c := startCounter(t, storeURL)
		defer c.stop(t)
		counters = append(counters, c)
	}
	rng := rand.New(rand.NewPCG(4, uint64(time.Now().UnixNano())))
	amid := 0 // rounds in which some visits came before the end and some after it
	for range rounds {
		var first tab
		first.visits(t, counters[0].url, 1)
		id := first.cookie.Value
		before, after := 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 6 {
			b := first
			delay := time.Duration(rng.IntN(4000)) * time.Microsecond
			wg.Go(func() {
				time.Sleep(delay) // so that the orders differ; nothing waits for it
				n, err := b.do(t.Context(), "GET", counters[i%3].url)
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
		delay := time.Duration(rng.IntN(4000)) * time.Microsecond
		wg.Go(func() {
			time.Sleep(delay)
			if _, err := ender.do(t.Context(), "POST", counters[at].url+"/end"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if before > 0 && after > 0 {
			amid++
		}
		for _, c := range counters {
			late := first
			late.visits(t, c.url, 1)
			if late.cookie.Value == id {
				t.Fatal("the id that was ended is in use again")
			}
		}
	}
	t.Logf("%d rounds, in %d of them the end fell among the visits", rounds, amid)
	if amid < rounds/10 {
		t.Errorf("the end fell among the visits in %d of %d rounds: this shows little", amid, rounds)
	}
}
