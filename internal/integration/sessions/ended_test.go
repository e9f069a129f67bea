package sessions_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// inFlight are the kinds of requests that must not make an ended session live again.
var inFlight = []string{"visit", "visit", "touch", "pop", "renew", "grace", "login"}

// tally counts how requests in flight were answered.
type tally struct {
	mu      sync.Mutex
	before  map[string]int // with the session
	after   map[string]int // that there is none, or that it ended meanwhile
	amid    int            // rounds that had both
	unknown int            // logouts whose cookie stood for nothing any more: a renewal was quicker
	spared  int            // of those, the ones that had no say in what the session was by then
}

func newTally() *tally { return &tally{before: map[string]int{}, after: map[string]int{}} }

func (c *tally) count(shots []*shot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, after := 0, 0
	for _, s := range shots {
		switch {
		case s.err != nil:
		case s.verb == "logout":
			if s.answer.New {
				c.unknown++
			}
		case s.answer.New || s.answer.Gone:
			c.after[s.verb]++
			after++
		default:
			c.before[s.verb]++
			before++
		}
	}
	if before > 0 && after > 0 {
		c.amid++
	}
}

// SEC-16: a thousand logouts, each amid requests that save, touch, take, renew and log in, to
// three servers. However they fall, no cookie of before stands for a session from the moment
// at which the logout was answered, and nothing of the session is in the store.
func TestSEC16EndedStaysEnded(t *testing.T) {
	const lines, workers = 1000, 8
	everywhere(t, func(t *testing.T, p *place) {
		all := p.sites(t, 3, config{})
		var tags []string
		for n := range lines {
			tags = append(tags, fmt.Sprint("line-", n))
		}
		kept := begin(t, all[0], "kept", "")
		c := newTally()
		atOnce(workers, func(w int) {
			rng := rand.New(rand.NewPCG(uint64(w), uint64(time.Now().UnixNano())))
			for n := w; n < lines && !t.Failed(); n += workers {
				endAmid(t, rng, all, tags[n], c)
			}
		})
		if t.Failed() {
			return
		}
		t.Logf("the end fell among the requests in %d of %d rounds; before it came %v, after it %v; %d came with an id of before a renewal, and %d of them had no say",
			c.amid, lines, c.before, c.after, c.unknown, c.spared)
		if c.amid < lines/10 {
			t.Errorf("the end fell among the requests in %d of %d rounds: this shows little", c.amid, lines)
		}
		if c.unknown == c.spared {
			t.Error("no logout came with an id of before a renewal of the same owner: this shows little")
		}
		for _, verb := range inFlight {
			if c.before[verb] == 0 || c.after[verb] == 0 {
				t.Errorf("of the requests to %s %d came before the end and %d after it: this shows little", verb, c.before[verb], c.after[verb])
			}
		}
		left := stored(t, p.store, append(tags, "kept"))
		if left["kept"] != 1 {
			t.Errorf("the store holds %d sessions that nobody has ended, want 1", left["kept"])
		}
		for _, tag := range tags {
			if left[tag] != 0 {
				t.Errorf("the store holds a session of %s, which was ended", tag)
			}
		}
		if a := kept.first.must(t, all[1], "read"); a.Lineage != "kept" {
			t.Errorf("the session that nobody has ended: %+v", a.reply)
		}
	})
}

// endAmid is one round.
func endAmid(t *testing.T, rng *rand.Rand, all []*site, tag string, c *tally) {
	owner, verbs := "", inFlight
	switch rng.IntN(3) {
	case 0:
		owner = owners()[rng.IntN(20)]
	case 1: // and nobody else logs in meanwhile, so that the session must be dead however they fall
		owner, verbs = owners()[rng.IntN(20)], inFlight[:len(inFlight)-1]
	}
	l := begin(t, all[rng.IntN(len(all))], tag, owner)
	const d = 8 * time.Millisecond
	requests := shots(rng, all, d, verbs[rng.IntN(len(verbs)):]...)
	logout := shots(rng, all, d, "logout")[0]
	judge := all[rng.IntN(len(all))]
	atOnce(2, func(i int) {
		if i == 0 {
			l.fire(t.Context(), requests)
			return
		}
		known := l.known()
		l.fire(t.Context(), []*shot{logout})
		if logout.err != nil {
			t.Errorf("logout: %v", logout.err)
			return
		}
		if _, err := l.dead(t.Context(), judge, end{!logout.answer.New}, known); err != nil {
			t.Errorf("as soon as it has ended: %v", err)
		}
	})
	for _, s := range requests {
		if s.err != nil {
			t.Errorf("%s: %v", s.verb, s.err)
		}
	}
	c.count(append(requests, logout))
	spared, err := l.over(t.Context(), judge, end{!logout.answer.New})
	if err != nil {
		t.Error(err)
	}
	if spared > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spared++
	}
}
