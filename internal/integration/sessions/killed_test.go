package sessions_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// REL-11: as SEC-16, with the process that ends the sessions killed, or the one that writes to
// them, at a moment by chance. A logout that was acknowledged holds. One that was not may have
// been made or not, and then the next one ends the session, whatever was left half done.
//
// Of a renewal that is killed at its last step, after a logout, a record may be left in the
// store until it expires. Nobody has its id, which died with the process.
func TestREL11EndedStaysEndedWhenKilled(t *testing.T) {
	const lines = 8
	t.Parallel()
	servers(t, func(t *testing.T, p *place) {
		writer, deleter, judge := p.site(t, config{}), p.site(t, config{}), p.site(t, config{})
		var ended []*line
		cut := map[string]int{} // requests that got no answer, by what was killed
		rng := rand.New(rand.NewPCG(11, uint64(time.Now().UnixNano())))
		for round := range rounds(12, 200) {
			victim, what := &writer, "writer"
			if round%2 == 1 {
				victim, what = &deleter, "deleter"
			}
			batch := make([]*line, lines)
			requests, logouts := make([][]*shot, lines), make([]*shot, lines)
			const d = 20 * time.Millisecond
			for i := range batch {
				batch[i] = begin(t, judge, fmt.Sprintf("line-%d-%d", round, i), "Marie")
				requests[i] = shots(rng, []*site{writer}, d, inFlight[rng.IntN(len(inFlight)):]...)
				logouts[i] = shots(rng, []*site{deleter}, d, "logout")[0]
			}
			moment := rand.N(2 * d)
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(moment)
				if err := (*victim).p.Kill(); err != nil {
					t.Error(err)
				}
			})
			atOnce(lines, func(i int) { batch[i].fire(t.Context(), append(requests[i], logouts[i])) })
			wg.Wait()
			for i, l := range batch {
				for _, s := range append(requests[i], logouts[i]) {
					switch {
					case s.err != nil && s.site == *victim:
						cut[what]++
					case s.err != nil:
						t.Errorf("%s at the process that lives: %v", s.verb, s.err)
					}
				}
				e := end{!logouts[i].answer.New}
				if logouts[i].err != nil { // nobody knows, so it is asked for again
					for _, c := range l.known() {
						(&tab{c.value}).must(t, judge, "logout")
					}
					e.found = true
				}
				if _, err := l.over(t.Context(), judge, e); err != nil {
					t.Errorf("the %s was killed, the logout said %v: %v", what, logouts[i].err, err)
				}
			}
			ended = append(ended, batch...)
			*victim = p.site(t, config{})
		}
		for what, n := range cut {
			t.Logf("%d requests cut off with the %s", n, what)
		}
		if len(cut) != 2 {
			t.Errorf("requests were cut off at %v: the kills did not strike", cut)
		}
		// What a killed process had sent may have been done later than that.
		var tags []string
		left := 0
		for _, l := range ended {
			tags = append(tags, l.tag)
			if _, err := l.dead(t.Context(), judge, end{found: true}, l.known()); err != nil {
				t.Errorf("in the end: %v", err)
			}
		}
		held := stored(t, p.store, tags)
		for _, l := range ended {
			if held[l.tag] > l.cut {
				t.Errorf("the store holds %d sessions of %s, of which %d renewals were cut off", held[l.tag], l.tag, l.cut)
			}
			left += held[l.tag]
		}
		t.Logf("%d records of renewals that were killed are left", left)
		for _, owner := range append(owners(), "Marie") {
			(&tab{}).must(t, judge, "end all", "owner", owner)
		}
		held = stored(t, p.store, tags)
		delete(held, "")
		if len(held) > 0 {
			t.Errorf("after EndAll of each owner the store holds %v", held)
		}
	})
}
