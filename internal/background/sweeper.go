// Package background is what a store does while nobody calls it: it removes what has
// expired, now and then.
package background

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Sweeper calls a store's sweep again and again. The zero value does nothing, and can be
// ended.
type Sweeper struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// Start begins to sweep, each time after 0.5 to 1.5 times of every by chance, so that the
// processes of one deploy do not march in step. 0 is 5 minutes, negative is never. What
// goes wrong is told to onError, and is tried again the next time (SWEEP-3).
func (s *Sweeper) Start(every time.Duration, sweep func(context.Context) error, onError func(error)) {
	if every < 0 {
		return
	}
	if every == 0 {
		every = 5 * time.Minute
	}
	every = min(every, 365*24*time.Hour) // nobody waits longer, and it can be added up
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.done.Go(func() {
		for ctx.Err() == nil {
			t := time.NewTimer(every/2 + rand.N(every+1))
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			if err := sweep(ctx); err != nil && ctx.Err() == nil && onError != nil {
				onError(err)
			}
		}
	})
}

// End ends it, and waits until it has.
func (s *Sweeper) End() {
	if s.stop != nil {
		s.stop()
		s.done.Wait()
	}
}
