package redis

import (
	"context"
	"errors"
	"fmt"
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
	pending := make([]int, b.n)
	for i := range pending {
		pending[i] = i
	}
	source := false
	var short error
	err := s.calls.Run(ctx, k, func(ctx context.Context, unsure bool) (call.Verdict, error) {
		var left []int
		worst, first := call.Again, error(nil)
		failed := func(i int, err error) {
			left = append(left, i)
			if v := s.judge(ctx, err, unsure); first == nil || worse(v, worst) {
				worst, first = v, err
			}
		}
		groups := s.groups(ctx, b, pending, failed)
		for n, g := range groups {
			pipe := g.node.Pipeline()
			cmds := make([][]redis.Cmder, len(g.members))
			for j, i := range g.members {
				cmds[j] = b.cmds(ctx, i, source)
				for _, cmd := range cmds[j] {
					_ = pipe.Process(ctx, cmd)
				}
			}
			var have number
			if b.replicas > 0 && short == nil {
				have = newNumber(ctx, "wait", b.replicas, patience(ctx, g.node, len(groups)-n).Milliseconds())
				_ = pipe.Process(ctx, have)
			}
			exec(ctx, pipe)
			for j, i := range g.members {
				err, moved := firstError(cmds[j]), false
				if moved = s.client.redirected(err); moved {
					s.client.follow(ctx, cmds[j]...)
					err = firstError(cmds[j])
				}
				if err != nil && b.skip != nil && b.skip(err) {
					err = nil
				}
				if err == nil {
					if err := b.take(i, cmds[j]); err != nil {
						return call.Final, err
					}
				}
				switch {
				case err != nil:
					source = source || redis.HasErrorPrefix(err, "NOSCRIPT")
					failed(i, err)
				case have.IntCmd == nil:
				case moved:
					short = &shortError{want: b.replicas, why: errMoving}
				case refuses(have.Err()):
					short = &shortError{want: b.replicas, why: told(have.Err(), true)}
				case have.Err() != nil:
					failed(i, have.Err())
				case have.Val() < int64(b.replicas):
					short = &shortError{have: have.Val(), want: b.replicas}
				}
			}
		}
		if pending = left; len(pending) == 0 {
			return call.Final, nil
		}
		return worst, first
	})
	if err == nil {
		return short
	}
	return err
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

// patience is how long a server waits for its replicas, of so many servers that are to do so.
// It answers up to a tenth of a second late (hz 10), and that must be before the client
// gives up on it.
func patience(ctx context.Context, node *redis.Client, servers int) time.Duration {
	d := time.Second
	if end, ok := ctx.Deadline(); ok {
		d = time.Until(end) / time.Duration(servers)
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
