package conformance_test

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func (r *reference) Count(ctx context.Context) (int, error) {
	if err := r.begin(ctx, store.CheckContext(ctx)); err != nil {
		return 0, r.end("count", "", err)
	}
	n := 0
	var failed error
	err := r.ask(ctx, func() {
		for _, x := range r.rows {
			if !x.broken && (x.left() > 0 || r.is("the dead are counted")) {
				n++
			}
			if x.broken && r.is("the unreadable ends a count") {
				failed = store.ErrCorrupt
			}
		}
		if r.is("nobody's do not count") {
			for _, x := range r.rows {
				if x.owner == "" && x.left() > 0 {
					n--
				}
			}
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil && r.is("a failing count is 0") {
		return 0, nil
	}
	return n, r.end("count", "", err)
}

func (r *reference) Clear(ctx context.Context) error {
	if err := r.begin(ctx, store.CheckContext(ctx)); err != nil {
		return r.end("clear", "", err)
	}
	if r.is("Clear leaves the index") {
		return r.ask(ctx, func() { clear(r.rows); clear(r.disk) })
	}
	if r.is("Clear removes the expired only") {
		_, err := r.remove(ctx, func(_ string, x row) bool { return x.left() <= 0 })
		return r.end("clear", "", err)
	}
	_, err := r.remove(ctx, func(string, row) bool { return true })
	if r.is("Clear clears the server") && err == nil {
		err = r.ask(ctx, func() {
			for _, t := range r.spaces {
				clear(t.rows)
			}
		})
	}
	r.cache.Clear()
	r.stale.Clear()
	return r.end("clear", "", err)
}

func (r *reference) Sweep(ctx context.Context) (int, error) {
	if err := r.begin(ctx, store.CheckContext(ctx)); err != nil {
		return 0, r.end("sweep", "", err)
	}
	dead := func(_ string, x row) bool {
		if r.is("the sweeper's comparison is reversed") {
			return x.left() > 0
		}
		if r.is("the sweeper goes by the first deadline") {
			return !x.first.After(time.Now())
		}
		return x.left() <= 0
	}
	if r.is("two sweepers trip over each other") {
		if r.sweeps.Add(1) > 1 {
			r.sweeps.Add(-1)
			return 0, errors.New("deadlock detected")
		}
		defer r.sweeps.Add(-1)
	}
	if r.is("the sweeper looks, then deletes") {
		n, err := r.sweepsBlindly(ctx, dead)
		return n, r.end("sweep", "", err)
	}
	if r.is("the sweeper stops at the unreadable") {
		n, err := r.sweepsUntilUnreadable(ctx, dead)
		return n, r.end("sweep", "", err)
	}
	n, err := r.remove(ctx, dead)
	switch {
	case r.is("the sweeper removes the unreadable"):
		_, _ = r.remove(ctx, func(_ string, x row) bool { return x.broken })
	case r.is("Sweep returns nothing"):
		n = 0
	}
	return n, r.end("sweep", "", err)
}

func (r *reference) sweepsBlindly(ctx context.Context, dead func(string, row) bool) (int, error) {
	var found []string
	if err := r.ask(ctx, func() {
		for id, x := range r.rows {
			if dead(id, x) {
				found = append(found, id)
			}
		}
	}); err != nil {
		return 0, err
	}
	n := 0
	err := r.ask(ctx, func() {
		for _, id := range found {
			if r.dead(id) {
				r.drop(id)
				n++
			}
		}
	})
	return n, err
}

func (r *reference) sweepsUntilUnreadable(ctx context.Context, dead func(string, row) bool) (n int, err error) {
	err = r.ask(ctx, func() {
		for id, x := range r.rows {
			if x.broken {
				return
			}
			if dead(id, x) {
				r.drop(id)
				n++
			}
		}
	})
	return n, err
}

func (r *reference) Ping(ctx context.Context) error {
	if err := r.begin(ctx, store.CheckContext(ctx)); err != nil {
		return r.end("ping", "", err)
	}
	return r.end("ping", "", r.ask(ctx, func() {}))
}

func (r *reference) Close() error {
	if r.closed.Swap(true) {
		switch {
		case r.is("Close twice is an error"):
			return errors.New("closed already")
		case r.is("Close twice panics"):
			close(r.stop)
		}
		return nil
	}
	if r.is("Close closes the caller's client") {
		r.mu.Lock()
		r.server.closed = true
		r.mu.Unlock()
	}
	close(r.stop)
	if !r.is("Close does not end the sweeper") {
		r.bg.Wait()
	}
	return nil
}

// sweeping runs the sweeper each second. The first sweep fails.
func (r *reference) sweeping(onError func(error)) {
	stop := r.stop
	if r.is("Close does not end the sweeper") {
		stop = nil
	}
	r.bg.Go(func() {
		for n := range 1000 {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			var err error
			if n == 0 {
				err = errRejected
			} else {
				_, err = r.Sweep(context.Background())
			}
			if err != nil {
				if !r.is("the background sweeper is silent") {
					onError(err)
				}
				if r.is("the background sweeper gives up") {
					return
				}
			}
		}
	})
}

// remove drops, in batches, what pick chooses.
func (r *reference) remove(ctx context.Context, pick func(id string, x row) bool) (int, error) {
	n := 0
	for {
		batch := 0
		err := r.ask(ctx, func() {
			for id, x := range r.rows {
				if batch == 200 {
					break
				}
				if pick(id, x) {
					r.drop(id)
					batch++
				}
			}
		})
		n += batch
		if err != nil || batch < 200 || r.is("one batch and no more") {
			return n, err
		}
	}
}
