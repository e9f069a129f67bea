package sessions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// line is a session and whatever it is renewed to.
type line struct {
	tag   string
	owner string // when it began; "" is a visitor
	first tab

	mu     sync.Mutex
	cookie []cookie
	cut    int // requests that might have renewed it, and of which nobody knows whether they did
}

// cookie is one that a request has brought.
type cookie struct {
	value string
	login bool // by a login, which is not undone by an end meanwhile
}

// begin makes a session that is told apart from all others by its tag.
func begin(t *testing.T, s *site, tag, owner string) *line {
	t.Helper()
	l := &line{tag: tag, owner: owner}
	a := l.first.must(t, s, "begin", "lineage", tag, "owner", owner)
	l.cookie = append(l.cookie, cookie{value: a.cookie})
	return l
}

// shot is a request that is in flight when a session ends.
type shot struct {
	site *site
	verb string
	form []string
	wait time.Duration // before it is sent

	answer answer
	err    error
}

// fire sends the requests, all with the cookie that the session began with.
func (l *line) fire(ctx context.Context, shots []*shot) {
	atOnce(len(shots), func(i int) {
		s := shots[i]
		b := l.first
		time.Sleep(s.wait) // so that the orders differ; nothing waits for it
		s.answer, s.err = b.ask(ctx, s.site, s.verb, s.form...)
		l.mu.Lock()
		defer l.mu.Unlock()
		renews := s.verb == "renew" || s.verb == "grace" || s.verb == "login"
		switch {
		case s.err != nil && renews:
			l.cut++
		case s.err == nil && s.answer.cookie != "":
			l.cookie = append(l.cookie, cookie{s.answer.cookie, s.verb == "login"})
		}
	})
}

// owners are those who log in.
func owners() (all []string) {
	for n := range 20 {
		all = append(all, fmt.Sprint("owner-", n))
	}
	return all
}

// shots are one request of each kind, in time d, with a moment between load and save.
func shots(rng *rand.Rand, all []*site, d time.Duration, verbs ...string) (out []*shot) {
	for _, verb := range verbs {
		s := &shot{site: all[rng.IntN(len(all))], verb: verb, wait: rand.N(d), form: []string{"pause", rand.N(d / 2).String()}}
		if verb == "login" {
			s.form = append(s.form, "owner", owners()[rng.IntN(20)])
		}
		out = append(out, s)
	}
	return out
}

// known are the cookies that browsers have by now.
func (l *line) known() []cookie {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]cookie(nil), l.cookie...)
}

// end is what a logout was, for those who judge what is left.
type end struct {
	found bool // the session: its id was not one of before a renewal
}

// spared reports whether a logout that came with an id of before a renewal has no say in
// what the session has become: it was a visitor's, and whoever has planted an id must not log
// out who logs in with it; or it is another's now.
func (l *line) spared(e end, a answer) bool {
	return !e.found && (l.owner == "" || a.Owner != l.owner)
}

// dead wants that none of the cookies stands for the session, or for any but a login that
// came after its end. It returns those that the logout had no say in.
func (l *line) dead(ctx context.Context, s *site, e end, cookies []cookie) (spared []cookie, wrong error) {
	for i, c := range cookies {
		b := tab{c.value}
		a, err := b.ask(ctx, s, "read")
		switch {
		case err != nil:
			wrong = errors.Join(wrong, err)
		case a.New, c.login && a.Lineage == "":
		case l.spared(e, a):
			spared = append(spared, c)
		default:
			wrong = errors.Join(wrong, fmt.Errorf("%s: cookie %d of %d stands for a session with the lineage %q (the logout found one: %v)", l.tag, i+1, len(cookies), a.Lineage, e.found))
		}
	}
	return spared, wrong
}

// over wants it of all cookies, at the end of all requests; those that were spared are
// logged out first, each by itself.
func (l *line) over(ctx context.Context, s *site, e end) (spared int, wrong error) {
	left, wrong := l.dead(ctx, s, e, l.known())
	for _, c := range left {
		b := tab{c.value}
		if _, err := b.ask(ctx, s, "logout"); err != nil {
			wrong = errors.Join(wrong, err)
		}
	}
	if len(left) > 0 {
		_, err := l.dead(ctx, s, end{found: true}, l.known())
		wrong = errors.Join(wrong, err)
	}
	return len(left), wrong
}

// stored counts, by tag, the sessions in the store: whole ones, that have their values, and
// not what a renewal or an end has left of one. What has no tag of those is under "".
func stored(t *testing.T, s store.Store, tags []string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for l, err := range store.List(t.Context(), s, store.Query{Data: true}) {
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, tag := range tags {
			if bytes.Contains(l.Data, []byte(`"`+tag+`"`)) { // values are JSON
				found = tag
			}
		}
		n[found]++
	}
	return n
}
