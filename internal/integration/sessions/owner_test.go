package sessions_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// SEC-20: all sessions of an owner are ended, or all but one, while they are visited and
// renewed in three processes and further logins go on. Whichever of them was there before is
// ended, wherever a renewal was taking it; a login that came meanwhile may stay.
func TestSEC20EndAllAmidRenewals(t *testing.T) {
	const devices, owner = 6, "Marie"
	everywhere(t, func(t *testing.T, p *place) {
		all := p.sites(t, 3, config{})
		rng := rand.New(rand.NewPCG(20, uint64(time.Now().UnixNano())))
		// How many renewals came before the end, and how many were too late.
		done, late := 0, 0
		for round := range rounds(25, 500) {
			others := round%2 == 1
			var lines []*line
			var tags []string
			for i := range devices {
				tags = append(tags, fmt.Sprintf("line-%d-%d", round, i))
				lines = append(lines, begin(t, all[i%3], tags[i], owner))
			}
			const d = 8 * time.Millisecond
			keeper := lines[0]
			ending := shots(rng, all, d, "end all")[0]
			ended := lines
			if others {
				ending = shots(rng, all, d, "end others")[0]
				ended, tags = lines[1:], tags[1:]
			}
			ending.form = append(ending.form, "owner", owner)
			requests := make([][]*shot, devices)
			for i := range lines {
				requests[i] = shots(rng, all, d, "visit", "renew", "grace")
				if i == 0 && others {
					requests[i] = shots(rng, all, d, "visit", "touch")
				}
			}
			logins := make([]tab, 3)
			atOnce(devices+1+len(logins), func(i int) {
				switch {
				case i < devices:
					lines[i].fire(t.Context(), requests[i])
				case i == devices:
					keeper.fire(t.Context(), []*shot{ending})
				default:
					time.Sleep(rand.N(d)) // as those of fire
					logins[i-devices-1].must(t, all[i%3], "login", "owner", owner)
				}
			})
			if ending.err != nil || others && ending.answer.New {
				t.Fatalf("%s: %+v, %v", ending.verb, ending.answer.reply, ending.err)
			}
			for i, l := range ended {
				if _, err := l.dead(t.Context(), all[rng.IntN(3)], end{found: true}, l.known()); err != nil {
					t.Errorf("after %s: %v", ending.verb, err)
				}
				for _, s := range requests[devices-len(ended)+i] {
					switch {
					case s.err != nil:
						t.Errorf("%s: %v", s.verb, s.err)
					case s.verb == "visit":
					case s.answer.cookie != "":
						done++
					default:
						late++
					}
				}
			}
			held := stored(t, p.store, tags)
			delete(held, "")
			if len(held) > 0 {
				t.Errorf("after %s the store holds %v", ending.verb, held)
			}
			if a := keeper.first.must(t, all[0], "read"); a.New != !others {
				t.Errorf("after %s the session that asked for it: %+v", ending.verb, a.reply)
			}
			(&tab{}).must(t, all[0], "end all", "owner", owner)
			if left := owned(t, p.store, owner); len(left) != 0 {
				t.Errorf("%d sessions are left when all is quiet", len(left))
			}
		}
		t.Logf("%d renewals came before the end, %d were too late", done, late)
		if done == 0 || late == 0 {
			t.Error("the end never fell among the renewals: this shows nothing")
		}
	})
}
