package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// run makes one call, see [call.Caller.Run].
func (s *Store) run(ctx context.Context, k call.Kind, f func(ctx context.Context, unsure bool) error) error {
	return s.calls.Run(ctx, k, func(ctx context.Context, unsure bool) (call.Verdict, error) {
		err := f(ctx, unsure)
		if err == nil || call.Answered(err) {
			return call.Final, err
		}
		return s.judge(ctx, err, unsure), err
	})
}

// judge returns what err says, see the function judge. After what may be the end of a
// server, a cluster is asked who has its slots now: go-redis does so only for what it
// repeats by itself.
func (s *Store) judge(ctx context.Context, err error, unsure bool) call.Verdict {
	v := judge(err, unsure)
	if s.client.auto != nil && s.client.cluster != nil && (s.client.redirected(err) || unsent(err)) {
		v = call.Lost // it leaves the error of an earlier try where a later one lost the reply
	}
	if s.client.cluster != nil && (v == call.Lost || unsent(err)) {
		s.client.cluster.ReloadState(ctx)
	}
	return v
}

// batch is what is asked about many keys at once: a pipeline for each server.
type batch struct {
	n    int
	key  func(i int) string
	cmds func(ctx context.Context, i int, source bool) []redis.Cmder // source: scripts are sent along
	take func(i int, cmds []redis.Cmder) error                       // an answer; a second one if the wait for replicas failed

	skip     func(error) bool // or nil: an error that is for take to see
	replicas int              // that must have what was written, see confirm
}

// all has the batch answered within one call. What was not answered is asked again.
func (s *Store) all(ctx context.Context, k call.Kind, b *batch) error {
	a := &asking{s: s, b: b, pending: make([]int, b.n)}
	for i := range a.pending {
		a.pending[i] = i
	}
	if err := s.calls.Run(ctx, k, a.attempt); err != nil {
		return err
	}
	return a.short
}

// asking is a batch on its way.
type asking struct {
	s       *Store
	b       *batch
	pending []int // not answered yet
	source  bool  // some server does not know a script
	short   error // a shortError, or nil

	// Of one attempt, in which the servers are asked at once.
	mu      sync.Mutex
	unsure  bool
	left    []int
	verdict call.Verdict
	err     error
	strange error // an answer that nobody can read
}

func (a *asking) attempt(ctx context.Context, unsure bool) (call.Verdict, error) {
	a.unsure, a.left, a.err = unsure, nil, nil
	groups := a.s.groups(ctx, a.b, a.pending, func(i int, err error) { a.failed(ctx, i, err) })
	source, wait := a.source, a.b.replicas > 0 && a.short == nil
	var others sync.WaitGroup
	for n, g := range groups {
		if n < len(groups)-1 {
			others.Go(func() { a.ask(ctx, g, source, wait) })
		} else {
			a.ask(ctx, g, source, wait)
		}
	}
	others.Wait()
	a.pending = a.left
	switch {
	case a.strange != nil:
		return call.Final, a.strange
	case len(a.pending) == 0:
		return call.Final, nil
	}
	return a.verdict, a.err
}

// failed has i asked again, if what any of them failed for is worth it.
func (a *asking) failed(ctx context.Context, i int, err error) {
	a.left = append(a.left, i)
	if v := a.s.judge(ctx, err, a.unsure); a.err == nil || worse(v, a.verdict) {
		a.verdict, a.err = v, err
	}
}

// ask asks one server.
func (a *asking) ask(ctx context.Context, g group, source, wait bool) {
	pipe := g.node.Pipeline()
	cmds := make([][]redis.Cmder, len(g.members))
	for j, i := range g.members {
		cmds[j] = a.b.cmds(ctx, i, source)
		for _, cmd := range cmds[j] {
			_ = pipe.Process(ctx, cmd)
		}
	}
	var have number
	if wait {
		have = newNumber(ctx, "wait", a.b.replicas, patience(ctx, g.node).Milliseconds())
		_ = pipe.Process(ctx, have)
	}
	exec(ctx, pipe)
	for j, i := range g.members {
		moved := firstError(cmds[j])
		if a.s.client.redirected(moved) {
			a.s.client.follow(ctx, cmds[j]...)
		} else {
			moved = nil
		}
		a.mu.Lock()
		a.answered(ctx, i, cmds[j], moved, have)
		a.mu.Unlock()
	}
}

// answered takes what came for i. moved is the error that led elsewhere, if one did, and
// have what the server answered to WAIT, if it was asked.
func (a *asking) answered(ctx context.Context, i int, cmds []redis.Cmder, moved error, have number) {
	err := firstError(cmds)
	if err != nil && (a.b.skip == nil || !a.b.skip(err)) {
		a.source = a.source || redis.HasErrorPrefix(err, "NOSCRIPT")
		a.failed(ctx, i, err)
		return
	}
	if err := a.b.take(i, cmds); err != nil {
		a.strange = err
	}
	switch want := a.b.replicas; {
	case have.IntCmd == nil:
	case moved != nil && redis.HasErrorPrefix(moved, "ASK "): // for as long as it may take
		a.short = &shortError{want: want, why: errMoving}
	case moved != nil:
		a.failed(ctx, i, errMoving) // from now on it is asked where it is
	case refuses(have.Err()):
		a.short = &shortError{want: want, why: told(have.Err(), true)}
	case have.Err() != nil:
		a.failed(ctx, i, have.Err())
	case have.Val() < int64(want):
		a.short = &shortError{have: have.Val(), want: want}
	}
}

// group is what one server is asked.
type group struct {
	node    *redis.Client
	members []int
}

// groups sorts what is pending by the server that has the key.
func (s *Store) groups(ctx context.Context, b *batch, pending []int, failed func(int, error)) (groups []group) {
	places := map[*redis.Client]int{}
	for _, i := range pending {
		node, err := s.client.node(ctx, b.key(i))
		if err != nil {
			failed(i, err)
			continue
		}
		at, known := places[node]
		if !known {
			at = len(groups)
			places[node] = at
			groups = append(groups, group{node: node})
		}
		groups[at].members = append(groups[at].members, i)
	}
	return groups
}

// firstError returns the first of the errors that are not just that nothing is there.
func firstError(cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !nothing(err) {
			if w, ok := cmd.(command); ok && !w.sent.sent {
				err = &unsentError{err}
			}
			return err
		}
	}
	return nil
}

// worse reports whether v says more of a batch than w: that something may have been applied
// above all, and then that something was refused for good.
func worse(v, w call.Verdict) bool {
	rank := [...]int{call.Again: 0, call.Anew: 1, call.Final: 2, call.Lost: 3}
	return rank[v] > rank[w]
}

// patience is how long a server waits for its replicas. It answers up to a tenth of a second late (hz 10), and that must be before the client
// gives up on it.
func patience(ctx context.Context, node *redis.Client) time.Duration {
	d := time.Second
	if end, ok := ctx.Deadline(); ok {
		d = time.Until(end)
	}
	if most := node.Options().ReadTimeout; most > 0 {
		d = min(d, most)
	}
	return max(min(d-d/5, d-130*time.Millisecond), time.Millisecond)
}

// refuses reports whether err is a server's answer.
func refuses(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok && !unsent(err)
}

// errMoving is of a write that was made in a slot on its way to another server.
var errMoving = errors.New("its slot is moving to another server, whose replicas were not waited for")

// shortError is a write that too few replicas have, or of which nobody can tell how many: a
// failover may undo it.
type shortError struct {
	have int64
	want int
	why  error // that nobody can tell, or nil
}

func (e *shortError) Error() string {
	if e.why != nil {
		return fmt.Sprintf("%v: it was written, and a failover may undo it, since %v", store.ErrUnknown, e.why)
	}
	return fmt.Sprintf("%v: it was written, and %d of %d replicas have it: a failover may undo it", store.ErrUnknown, e.have, e.want)
}

func (e *shortError) Unwrap() []error {
	if e.why == nil {
		return []error{store.ErrUnknown}
	}
	return []error{store.ErrUnknown, e.why}
}
