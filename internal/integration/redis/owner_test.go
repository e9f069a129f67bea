package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// bothKinds runs a test on a single server and on a cluster.
func bothKinds(t *testing.T, f func(t *testing.T, x *space)) {
	for name, sv := range map[string]*server.Shared{"single": shared, "cluster": cluster} {
		t.Run(name, func(t *testing.T) { f(t, newSpace(t, sv.URL(t))) })
	}
}

// fill makes so many sessions of one owner, many at a time.
func fill(t *testing.T, s store.Store, owner string, n int) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := s.Create(t.Context(), fmt.Sprintf("%x-%d", owner, i), store.Record{Owner: owner}, time.Hour); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// waits is how long each answer took that another client waited for, while f ran.
func (x *space) waits(t *testing.T, f func()) (took time.Duration, all []time.Duration) {
	t.Helper()
	c := redistest.Client(t, x.url, nil)
	var keys []string
	for n := range 16 { // on every server
		keys = append(keys, fmt.Sprintf("%s{waits-%d}", x.opts.Prefix, n))
	}
	for _, key := range keys {
		if err := c.Set(t.Context(), key, "", time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		defer c.Del(context.Background(), key)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			began := time.Now()
			if err := c.Get(t.Context(), keys[n%len(keys)]).Err(); err != nil {
				t.Error(err)
				return
			}
			all = append(all, time.Since(began))
		}
	})
	began := time.Now()
	f()
	took = time.Since(began)
	close(done)
	wg.Wait()
	slices.Sort(all)
	return took, all
}

// line tells of waits.
func line(all []time.Duration) string {
	at := func(part float64) time.Duration {
		return all[min(len(all)-1, int(float64(len(all))*part))].Round(time.Microsecond)
	}
	return fmt.Sprintf("%d answers, median %v, 99 %% %v, longest %v", len(all), at(0.5), at(0.99), at(1))
}

// The end of an owner who has very many sessions: how long somebody else waits meanwhile.
func TestDeleteOwnerOfMany(t *testing.T) {
	t.Parallel()
	n := 20_000
	if full() {
		n = 200_000
	}
	bothKinds(t, func(t *testing.T, x *space) {
		s := x.open(t, x.client)
		fill(t, s, "o", n)
		fill(t, s, "p", 100)
		_, quiet := x.waits(t, func() { time.Sleep(500 * time.Millisecond) }) // that is how long it is quiet
		var ended int
		took, busy := x.waits(t, func() {
			var err error
			if ended, err = s.DeleteOwner(t.Context(), "o"); err != nil {
				t.Error(err)
			}
		})
		if ended != n {
			t.Errorf("%d were ended, want %d", ended, n)
		}
		t.Logf("%d sessions ended in %v", ended, took.Round(time.Millisecond))
		t.Logf("another client meanwhile: %s", line(busy))
		t.Logf("when it is quiet:         %s", line(quiet))
		if left := x.agree(t, s); left != 100 {
			t.Errorf("%d sessions are left, want the other's 100", left)
		}
	})
}

// OWNER-3 and OWNER-7: an owner's sessions are ended while others of his begin. Those that
// were there are gone, and whatever lives is listed. It ends although they go on to begin.
func TestDeleteOwnerAgainstCreators(t *testing.T) {
	bothKinds(t, func(t *testing.T, x *space) {
		s := x.open(t, x.client)
		fill(t, s, "p", 100)
		var mu sync.Mutex
		var made []string
		var creators sync.WaitGroup
		done := make(chan struct{})
		for w := range 4 {
			creators.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					default:
					}
					id := fmt.Sprintf("%d-%d", w, n)
					if err := belongs(t.Context(), s, id, n%2 == 0); err != nil {
						t.Error(err)
					}
					mu.Lock()
					made = append(made, id)
					mu.Unlock()
				}
			})
		}
		rounds, total, longest := 20, 0, time.Duration(0)
		for range rounds {
			mu.Lock()
			before := slices.Clone(made)
			mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			began := time.Now()
			n, err := s.DeleteOwner(ctx, "o")
			longest = max(longest, time.Since(began))
			cancel()
			if err != nil {
				t.Errorf("after %v and %d sessions: %v", time.Since(began), n, err)
				break
			}
			total += n
			for _, id := range before[max(0, len(before)-200):] {
				if _, err := s.Load(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s was there before and is not gone: %v", id, err)
				}
			}
		}
		close(done)
		creators.Wait()
		left := x.agree(t, s) - 100
		if total+left != len(made) {
			t.Errorf("%d were made, %d ended and %d are left", len(made), total, left)
		}
		t.Logf("%d sessions were made, of which %d times DeleteOwner ended %d; the longest took %v", len(made), rounds, total, longest)
		if n, err := s.DeleteOwner(t.Context(), "o"); n != left || err != nil {
			t.Errorf("in the end: %d, %v, want %d", n, err, left)
		}
		if n := x.agree(t, s); n != 100 {
			t.Errorf("%d sessions are left, want the other's 100", n)
		}
	})
}

// belongs makes a session of o, at once or by an update, as a login does.
func belongs(ctx context.Context, s *redis.Store, id string, atOnce bool) error {
	if atOnce {
		_, err := s.Create(ctx, id, store.Record{Owner: "o"}, time.Hour)
		return err
	}
	v, err := s.Create(ctx, id, store.Record{}, time.Hour)
	if err == nil {
		_, err = s.Update(ctx, id, store.Record{Owner: "o"}, time.Hour, v)
	}
	return err
}

// DeleteOwner ends what was there when it began, and does not run after those who are quicker: here
// somebody makes another session of the owner each time that it looks.
func TestDeleteOwnerComesToAnEnd(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	other := x.open(t, redistest.Client(t, x.url, nil))
	s := x.open(t, x.client)
	fill(t, s, "o", 20)
	looks := 0
	x.client.AddHook(before(func(cmd goredis.Cmder) {
		const enough = 200
		if cmd.Name() != "zrange" {
			return
		}
		if looks++; looks <= enough {
			if _, err := other.Create(t.Context(), fmt.Sprint("late-", looks), store.Record{Owner: "o"}, time.Hour); err != nil {
				t.Error(err)
			}
		}
	}))
	if _, err := s.DeleteOwner(t.Context(), "o"); err != nil {
		t.Error(err)
	}
	if looks == 0 || looks > 10 {
		t.Errorf("it looked %d times for what is left of 20 sessions", looks)
	}
}

// before is called for each command before it is sent.
type before func(cmd goredis.Cmder)

func (before) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (f before) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		f(cmd)
		return next(ctx, cmd)
	}
}

func (f before) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			f(cmd)
		}
		return next(ctx, cmds)
	}
}
