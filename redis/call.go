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

	replicas int // that must have what was written, see confirm
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
			_, _ = pipe.Exec(ctx) // each command has its error
			for j, i := range g.members {
				err, moved := firstError(cmds[j]), false
				if moved = s.client.redirected(err); moved {
					s.client.follow(ctx, cmds[j]...)
					err = firstError(cmds[j])
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
				case have.IntCmd != nil && have.Err() != nil:
					failed(i, have.Err())
				case have.IntCmd != nil && moved:
					failed(i, errMoving) // written, but nobody waited for the replicas there
				}
			}
			if have.IntCmd != nil && have.Err() == nil && have.Val() < int64(b.replicas) {
				short = &shortError{have: int(have.Val()), want: b.replicas}
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
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
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
func patience(ctx context.Context, node *redis.Client, servers int) time.Duration {
	d := time.Second
	if end, ok := ctx.Deadline(); ok {
		d = time.Until(end) / time.Duration(servers)
	}
	if most := node.Options().ReadTimeout; most > 0 {
		d = min(d, most)
	}
	return max(d-d/5, time.Millisecond) // its answer has a way to go
}

// errMoving is of a write that was made in a slot on its way to another server.
var errMoving = errors.New("the slot is moving to another server, of which the replicas were not waited for")

// shortError is a write that too few replicas have: a failover may undo it.
type shortError struct{ have, want int }

func (e *shortError) Error() string {
	return fmt.Sprintf("%v: it was written, and %d of %d replicas have it: a failover may undo it", store.ErrUnknown, e.have, e.want)
}

func (e *shortError) Unwrap() error { return store.ErrUnknown }
