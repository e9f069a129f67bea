package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/internal/seen"
	"github.com/sojourn-go/sojourn/store"
)

// pages calls f with the ids of all sessions, or of those in an owner's index, at most so
// many at a time and none twice, until it returns false or an error.
func (s *Store) pages(ctx context.Context, owner string, size int, f func(ids []string) (bool, error)) error {
	known := seen.New()
	var ids []string
	take := func(id string) {
		if known.First(id) {
			ids = append(ids, id)
		}
	}
	flush := func(least int) (bool, error) {
		for len(ids) >= least && len(ids) > 0 {
			n := min(size, len(ids))
			if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
				return false, err
			}
			if more, err := f(ids[:n]); err != nil || !more {
				return false, err
			}
			ids = ids[n:]
		}
		return true, nil
	}
	var err error
	more := true
	if owner == "" {
		more, err = s.scan(ctx, take, func() (bool, error) { return flush(size) })
	} else {
		more, err = s.scanOwner(ctx, owner, take, func() (bool, error) { return flush(size) })
	}
	if err == nil && more {
		_, err = flush(1)
	}
	return err
}

// scan takes the id of every session of every master, some of them twice, and calls
// then after each step.
func (s *Store) scan(ctx context.Context, take func(id string), then func() (bool, error)) (bool, error) {
	nodes, err := s.masters(ctx)
	if err != nil {
		return false, err
	}
	for _, node := range nodes {
		more, err := s.inOneLife(ctx, []*redis.Client{node}, func() (bool, error) { return s.scanNode(ctx, node, take, then) })
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// inOneLife calls f, which goes through servers by cursors, until none of them was another
// one at the end than at the beginning.
func (s *Store) inOneLife(ctx context.Context, nodes []*redis.Client, f func() (bool, error)) (bool, error) {
	before, err := s.lives(ctx, nodes)
	for err == nil {
		more, failed := f()
		if failed != nil || !more {
			return false, failed
		}
		after := ""
		if after, err = s.lives(ctx, nodes); after == before {
			return true, err
		}
		before = after
	}
	return false, err
}

// lives names what cursors are good for: one run of each server. Another run, or the
// server that Sentinel has put in its place, has its keys in another order.
func (s *Store) lives(ctx context.Context, nodes []*redis.Client) (ids string, err error) {
	for _, node := range nodes {
		if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
			return "", err
		}
		err := s.run(ctx, call.Reads, func(ctx context.Context, _ bool) error {
			cmd := newGet(ctx, "info", "server")
			err := node.Process(ctx, cmd)
			if redis.IsPermissionError(err) {
				return nil // New has said so
			}
			_, id, _ := strings.Cut(cmd.Val(), "\nrun_id:")
			id, _, _ = strings.Cut(id, "\r")
			ids += id + " "
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return ids, nil
}

func (s *Store) scanNode(ctx context.Context, node *redis.Client, take func(id string), then func() (bool, error)) (bool, error) {
	for cursor, began := uint64(0), false; cursor != 0 || !began; began = true {
		if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
			return false, err
		}
		var keys []string
		err := s.run(ctx, call.Reads, func(ctx context.Context, _ bool) error {
			cmd := newScan(ctx, "scan", cursor, "match", s.row.pattern(s.prefix), "count", page)
			if err := node.Process(ctx, cmd); err != nil {
				return err // the step is made again from where it began
			}
			keys, cursor = cmd.Val()
			return nil
		})
		if err != nil {
			return false, err
		}
		for _, key := range keys {
			if id, ok := s.row.id(s.prefix, key); ok {
				take(id)
			}
		}
		if more, err := then(); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// scanOwner takes the ids in an owner's index under every tag: by ZSCAN, which finds what
// is there throughout, wherever a touch moves it. Most owners have few sessions, and one
// step is all. Where it is not, what has more steps begins anew in a life that is watched.
func (s *Store) scanOwner(ctx context.Context, owner string, take func(id string), then func() (bool, error)) (bool, error) {
	large := make([]int, len(s.tags))
	for i := range large {
		large[i] = i
	}
	large, more, err := s.scanTags(ctx, owner, large, false, take, then)
	if err != nil || !more || len(large) == 0 {
		return more, err
	}
	nodes, err := s.masters(ctx)
	if err != nil {
		return false, err
	}
	return s.inOneLife(ctx, nodes, func() (bool, error) {
		_, more, err := s.scanTags(ctx, owner, large, true, take, then)
		return more, err
	})
}

// scanTags does so under some tags, and returns those that have not come to their end:
// after one step, unless it is to go on.
func (s *Store) scanTags(ctx context.Context, owner string, open []int, goOn bool, take func(id string), then func() (bool, error)) ([]int, bool, error) {
	cursors := make([]uint64, len(s.tags))
	for began := false; len(open) > 0 && (goOn || !began); began = true {
		if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
			return nil, false, err
		}
		var next []int
		err := s.all(ctx, call.Reads, &batch{
			n:   len(open),
			key: func(i int) string { return s.row.index(s.prefix, s.tags[open[i]], owner) },
			cmds: func(ctx context.Context, i int, _ bool) []redis.Cmder {
				return []redis.Cmder{newScan(ctx, "zscan", s.row.index(s.prefix, s.tags[open[i]], owner), cursors[open[i]], "count", share(len(open)))}
			},
			take: func(i int, cmds []redis.Cmder) error {
				both, cursor := cmds[0].(scan).Val() // member, score, member, score
				for n := 0; n < len(both); n += 2 {
					take(both[n])
				}
				if cursors[open[i]] = cursor; cursor != 0 {
					next = append(next, open[i])
				}
				return nil
			},
		})
		if err != nil {
			return nil, false, err
		}
		open = next
		if more, err := then(); err != nil || !more {
			return nil, false, err
		}
	}
	return open, true, nil
}

// masters are the clients of all servers that have keys.
func (s *Store) masters(ctx context.Context) (nodes []*redis.Client, err error) {
	err = s.run(ctx, call.Reads, func(ctx context.Context, _ bool) (err error) {
		nodes, err = s.client.masters(ctx)
		return err
	})
	return nodes, err
}

// share is how many entries each of so many indexes is asked for at a time.
func share(indexes int) int { return max(page/indexes, 8) }

// owned calls f with the ids in an owner's index, under every tag, until none is left but
// those of which f says that their entry stays. Entries are in the order of their
// deadlines: what is touched meanwhile comes again later.
func (s *Store) owned(ctx context.Context, owner string, f func(ids []string) (stay []bool, err error)) error {
	stuck := seen.New()
	for {
		again, err := s.pass(ctx, owner, stuck, f)
		if err != nil || !again {
			return err
		}
	}
}

// pass is one way through the indexes, past the entries that stay. One more is wanted if one
// stayed for the first time: somebody else may have taken it out, and then what came after it
// was passed over. What stays again is not there to be taken out, as while its slot moves.
func (s *Store) pass(ctx context.Context, owner string, stuck *seen.IDs, f func(ids []string) (stay []bool, err error)) (again bool, err error) {
	type index struct{ tag, from int }
	open := make([]index, len(s.tags))
	for i := range open {
		open[i].tag = i
	}
	for len(open) > 0 {
		if err := s.calls.Check(store.CheckDeleteOwner(ctx, owner)); err != nil {
			return again, err
		}
		var ids []string
		var of []int // the place in open of each
		var next []index
		limit := share(len(open))
		more := make([]bool, len(open))
		err := s.all(ctx, call.Reads, &batch{
			n:   len(open),
			key: func(i int) string { return s.row.index(s.prefix, s.tags[open[i].tag], owner) },
			cmds: func(ctx context.Context, i int, _ bool) []redis.Cmder {
				from := open[i].from
				return []redis.Cmder{newList(ctx, "zrange", s.row.index(s.prefix, s.tags[open[i].tag], owner), from, from+limit-1)}
			},
			take: func(i int, cmds []redis.Cmder) error {
				found := cmds[0].(list).Val()
				for _, id := range found {
					ids, of = append(ids, id), append(of, i)
				}
				more[i] = len(found) == limit // fewer are all that there were
				return nil
			},
		})
		if err != nil {
			return again, err
		}
		for n := 0; n < len(ids); n += page {
			end := min(n+page, len(ids))
			stay, err := f(ids[n:end])
			if err != nil {
				return again, err
			}
			for j, stays := range stay {
				if stays {
					open[of[n+j]].from++
					again = stuck.First(ids[n+j]) || again
				}
			}
		}
		for i, x := range open {
			if more[i] {
				next = append(next, x)
			}
		}
		open = next
	}
	return again, nil
}

// shortfall keeps what is to be told in the end: that some server has too few replicas of
// what was written. The rest is done all the same, without waiting for them.
type shortfall struct{ err error }

func (s *shortfall) confirm() bool { return s.err == nil }

// note takes err if it is such a one.
func (s *shortfall) note(err error) error {
	if _, ok := errors.AsType[*shortError](err); ok {
		s.err = err
		return nil
	}
	return err
}

func (s *shortfall) or(err error) error {
	if err != nil {
		return err
	}
	return s.err
}
