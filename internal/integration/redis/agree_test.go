package redis_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// index is an owner's index as it is stored.
type index struct {
	entries map[string]int64 // deadlines by session, in ms
	end     int64            // of its key
}

// disagreements holds the owners' indexes against the records, while nobody writes: each
// session of an owner is in the index until its deadline, what has no session is there only
// if its deadline has passed, and an index ends with its last entry, not before. It reads the keys
// themselves, since a store's own eyes may miss what the store got wrong.
func (x *space) disagreements(tb testing.TB) (wrong []string, sessions int) {
	tb.Helper()
	records, sessions := x.records(tb)
	indexes := x.indexes(tb)
	now := x.now(tb)
	for key, r := range records {
		for id, deadline := range r.entries {
			switch at, found := indexes[key].entries[id]; {
			case !found && deadline <= now: // both have ended since the session was read
			case !found:
				wrong = append(wrong, fmt.Sprintf("%s lacks %s", key, id))
			case at != deadline:
				wrong = append(wrong, fmt.Sprintf("%s has %s until %d, and the session lives until %d", key, id, at, deadline))
			}
		}
	}
	for key, i := range indexes {
		last := int64(0)
		for id, at := range i.entries {
			last = max(last, at)
			if _, found := records[key].entries[id]; !found && at > now {
				wrong = append(wrong, fmt.Sprintf("%s has %s for %d ms, and the session is not there", key, id, at-now))
			}
		}
		switch {
		case last <= now:
		case i.end < last:
			wrong = append(wrong, fmt.Sprintf("%s ends at %d, and its last entry at %d", key, i.end, last))
		case i.end > last+10: // a moment longer is right
			wrong = append(wrong, fmt.Sprintf("%s outlives its last entry by %d ms", key, i.end-last))
		}
	}
	return wrong, sessions
}

// now is the server's time in ms.
func (x *space) now(tb testing.TB) int64 {
	tb.Helper()
	at, err := x.client.Time(tb.Context()).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return at.UnixMilli()
}

// records are the sessions that have an owner, by the key of the index where they
// belong, and the number of all.
func (x *space) records(tb testing.TB) (out map[string]index, sessions int) {
	tb.Helper()
	type answers struct {
		head  *goredis.StringCmd
		until *goredis.DurationCmd
	}
	found := map[string]answers{}
	x.ask(tb, "{???}s:*", func(pipe goredis.Pipeliner, key string) {
		found[key] = answers{pipe.GetRange(tb.Context(), key, 0, 264), pipe.PExpireTime(tb.Context(), key)}
	})
	out = map[string]index{}
	for key, a := range found {
		head, deadline := a.head.Val(), a.until.Val().Milliseconds()
		if deadline <= 0 && head == "" {
			continue // it has just expired
		}
		sessions++
		if len(head) < 10 || head[0] != 1 || len(head) < 10+int(head[9]) {
			tb.Fatalf("%s holds %q", key, head)
		}
		place, id, _ := strings.Cut(key, "}s:")
		if owner := head[10 : 10+int(head[9])]; owner != "" {
			i := place + "}o:" + owner
			if out[i].entries == nil {
				out[i] = index{entries: map[string]int64{}}
			}
			out[i].entries[id] = deadline
		}
	}
	return out, sessions
}

// indexes are the owners' indexes, by their keys.
func (x *space) indexes(tb testing.TB) map[string]index {
	tb.Helper()
	type answers struct {
		entries *goredis.ZSliceCmd
		until   *goredis.DurationCmd
	}
	found := map[string]answers{}
	x.ask(tb, "{???}o:*", func(pipe goredis.Pipeliner, key string) {
		found[key] = answers{pipe.ZRangeWithScores(tb.Context(), key, 0, -1), pipe.PExpireTime(tb.Context(), key)}
	})
	out := map[string]index{}
	for key, a := range found {
		i := index{map[string]int64{}, a.until.Val().Milliseconds()}
		for _, z := range a.entries.Val() {
			i.entries[z.Member.(string)] = int64(z.Score)
		}
		out[key] = i
	}
	return out
}

// ask asks about each key of the prefix that goes on with the pattern.
func (x *space) ask(tb testing.TB, pattern string, f func(pipe goredis.Pipeliner, key string)) {
	tb.Helper()
	once := map[string]bool{} // SCAN finds some twice
	if err := x.keys(tb.Context(), pattern, func(_ *goredis.Client, key string) { once[key] = true }); err != nil {
		tb.Fatal(err)
	}
	for some := range slices.Chunk(slices.Collect(maps.Keys(once)), 500) {
		_, err := x.client.Pipelined(tb.Context(), func(pipe goredis.Pipeliner) error {
			for _, key := range some {
				f(pipe, key)
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// left are the keys of the prefix but the one that remembers the number of slots.
func (x *space) left(tb testing.TB) (out []string) {
	tb.Helper()
	err := x.keys(context.WithoutCancel(tb.Context()), "*", func(_ *goredis.Client, key string) {
		if key != x.opts.Prefix+"{slots}" {
			out = append(out, key)
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
