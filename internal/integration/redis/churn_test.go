package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// churn does to sessions of a few owners whatever can be done, in no order, until it is
// stopped.
type churn struct {
	s            *redis.Store
	name         string
	done, failed atomic.Int64
	news         chan struct{} // after each call, if somebody listens
	stop         context.CancelFunc
	wg           sync.WaitGroup
}

func startChurn(ctx context.Context, s *redis.Store, name string, seed uint64) *churn {
	c := &churn{s: s, name: name, news: make(chan struct{}, 1)}
	ctx, c.stop = context.WithCancel(ctx)
	for w := range 8 {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		c.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c.session(ctx, rng, fmt.Sprintf("%s-%d-%d", name, w, n))
			}
		})
	}
	return c
}

// end returns when every call has.
func (c *churn) end() {
	c.stop()
	c.wg.Wait()
}

// owners are some that are easily taken for something else.
var owners = []string{"", "o", "p", "o ", "}s:x", "{a}", "*", "?", "[a-z]", "\\*", "ü"}

// session lives for a few calls, and is left as it is, or ended.
func (c *churn) session(ctx context.Context, rng *rand.Rand, id string) {
	owner := func() string { return owners[rng.IntN(len(owners))] }
	ttl := func() time.Duration {
		if rng.IntN(5) == 0 {
			return time.Duration(1+rng.IntN(100)) * time.Millisecond
		}
		return time.Hour
	}
	v, err := c.s.Create(context.WithoutCancel(ctx), id, store.Record{Owner: owner()}, ttl())
	for c.count(err); err == nil && ctx.Err() == nil && rng.IntN(6) > 0; c.count(err) {
		switch ctx := context.WithoutCancel(ctx); rng.IntN(8) {
		case 0, 1, 2:
			v, err = c.s.Update(ctx, id, store.Record{Owner: owner()}, ttl(), v)
		case 3, 4, 5:
			err = c.s.Touch(ctx, id, ttl())
		case 6:
			err = c.s.Delete(ctx, id)
		case 7:
			if o := owner(); o != "" && rng.IntN(10) == 0 {
				_, err = c.s.DeleteOwner(ctx, o)
			}
		}
	}
}

func (c *churn) count(err error) {
	if err == nil || errors.Is(err, store.ErrNotFound) {
		c.done.Add(1)
	} else {
		c.failed.Add(1)
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// await waits until enough says so.
func (c *churn) await(t *testing.T, enough func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	for !enough() {
		select {
		case <-c.news:
		case <-late:
			t.Fatalf("%d calls and %d failures in 30 s", c.done.Load(), c.failed.Load())
		}
	}
}
