package redis

import (
	"context"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

const (
	page     = 500 // sessions that are asked for in one pipeline, or removed
	dataPage = 50  // with their data
)

// List implements [store.Lister]. It goes through the keys of every master by SCAN, or
// through the owner's index, and asks for what it finds in pipelines of 500 sessions, or
// 50 with their data. Each has Options.Timeout.
//
// It remembers 16 bytes for each session that it has yielded, since SCAN finds some twice.
// In a cluster, a session whose slot moves to another server meanwhile may be left out.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		err := s.calls.Check(store.CheckQuery(ctx, q))
		if err != nil {
			yield(store.Listed{}, s.calls.Fail("list", err))
			return
		}
		size := page
		if q.Data {
			size = dataPage
		}
		wanted := true
		err = s.pages(ctx, q.Owner, size, func(ids []string) (bool, error) {
			found, err := s.entries(ctx, ids, q)
			for i := range found {
				if wanted = yield(found[i], nil); !wanted {
					return false, nil
				}
				found[i] = store.Listed{} // the caller's to keep or let go
			}
			return true, err
		})
		if err != nil && wanted {
			yield(store.Listed{}, s.calls.Fail("list", err))
		}
	}
}

// entries returns those of the sessions that are live, can be read and are asked for.
func (s *Store) entries(ctx context.Context, ids []string, q store.Query) ([]store.Listed, error) {
	var out []store.Listed
	err := s.all(ctx, call.Reads, &batch{
		n:   len(ids),
		key: func(i int) string { return s.place(ids[i]).key },
		cmds: func(ctx context.Context, i int, _ bool) []redis.Cmder {
			key := s.place(ids[i]).key
			value := newGet(ctx, "getrange", key, 0, header-1)
			if q.Data {
				value = newGet(ctx, "get", key)
			}
			return []redis.Cmder{value, newNumber(ctx, "pttl", key)}
		},
		skip: func(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }, // no more readable than others
		take: func(i int, cmds []redis.Cmder) error {
			value, _ := cmds[0].(get).Bytes()
			e, err := s.row.entry(value, cmds[1].(number).Val())
			if err != nil || q.Owner != "" && e.Owner != q.Owner {
				return nil // it has ended, cannot be read, or moved to another owner
			}
			if !q.Data {
				e.Data = nil
			}
			out = append(out, store.Listed{ID: ids[i], Entry: e})
			return nil
		},
	})
	return out, err
}

// Count implements [store.Counter]. It goes through the keys as List does. What cannot be
// read is counted, where it is under the key of a session.
func (s *Store) Count(ctx context.Context) (int, error) {
	if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
		return 0, s.calls.Fail("count", err)
	}
	n := 0
	err := s.pages(ctx, "", page, func(ids []string) (bool, error) { n += len(ids); return true, nil })
	if err != nil {
		return 0, s.calls.Fail("count", err)
	}
	return n, nil
}

// Clear implements [store.Clearer]. It goes through the keys as List does, and ends what
// it finds in pipelines of 500. What remembers the number of slots stays, and an index of what
// has expired goes when its time comes.
func (s *Store) Clear(ctx context.Context) error {
	if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
		return s.calls.Fail("clear", err)
	}
	var short shortfall
	err := s.pages(ctx, "", page, func(ids []string) (bool, error) {
		_, err := s.remove(ctx, ids, "", short.confirm())
		return true, short.note(err)
	})
	return s.calls.Fail("clear", short.or(err))
}

// DeleteOwner implements [store.OwnerDeleter], in pipelines of 500 sessions, each with
// Options.Timeout. A pipeline whose reply was lost
// is made, and its sessions may not be counted.
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := s.calls.Check(store.CheckDeleteOwner(ctx, owner)); err != nil {
		return 0, s.calls.Fail("delete owner", err)
	}
	ended := 0
	var short shortfall
	err := s.owned(ctx, owner, func(ids []string) (stay []bool, err error) {
		out, err := s.remove(ctx, ids, owner, short.confirm())
		stay = make([]bool, len(ids))
		for i, o := range out {
			if o.live {
				ended++
			}
			stay[i] = !o.left
		}
		return stay, short.note(err)
	})
	return ended, s.calls.Fail("delete owner", short.or(err))
}

// removed is what became of a session that was to be removed.
type removed struct{ live, left bool }

// removal are the arguments of the script that removes a session.
func (s *Store) removal(at place, id, owner string) []any {
	return []any{id, s.row.index(s.prefix, at.tag, ""), owner, s.mark(at)}
}

// mark is a key that is written where nothing is removed: only then do the replicas have
// something to confirm that comes after what anybody did before.
func (s *Store) mark(at place) string {
	if s.opts.Replicas == 0 {
		return ""
	}
	return s.prefix + "{" + at.tag + "}w"
}

// remove ends sessions in one pipeline for each server: those of the owner, or all.
func (s *Store) remove(ctx context.Context, ids []string, owner string, confirm bool) ([]removed, error) {
	out := make([]removed, len(ids))
	b := &batch{
		n:   len(ids),
		key: func(i int) string { return s.place(ids[i]).key },
		cmds: func(ctx context.Context, i int, source bool) []redis.Cmder {
			at := s.place(ids[i])
			return []redis.Cmder{scriptCommand(ctx, source, s.row.remove, []string{at.key}, s.removal(at, ids[i], owner)...)}
		},
		take: func(i int, cmds []redis.Cmder) error {
			said, err := cmds[0].(command).Int64Slice()
			if err != nil || len(said) != 2 {
				return errStrange
			}
			out[i] = removed{out[i].live || said[0] == 1, out[i].left || said[1] == 1}
			return nil
		},
	}
	if confirm {
		b.replicas = s.opts.Replicas
	}
	return out, s.all(ctx, call.Writes, b)
}
