package peer

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"sync"

	"github.com/sojourn-go/sojourn/store"
)

// server is the store's side of the pipes.
type server struct {
	s     store.Store
	ctx   context.Context // ends when nobody asks any more
	close func() error    // the store, once

	out struct {
		sync.Mutex
		*gob.Encoder
	}
	mu      sync.Mutex
	running map[uint64]*running
}

// running is a call under way.
type running struct {
	ctx    context.Context
	cancel context.CancelFunc
	more   chan struct{} // of a listing
}

// serve opens a store and answers calls until in ends.
func serve(open func(ctx context.Context, arg string) (store.Store, error), arg string, in io.Reader, out io.Writer) {
	sv := &server{running: map[uint64]*running{}}
	sv.out.Encoder = gob.NewEncoder(out)
	ctx, cancel := context.WithCancel(context.Background())
	sv.ctx = ctx
	calls := make(chan call)
	go func() {
		defer close(calls)
		dec := gob.NewDecoder(in)
		for {
			var c call
			if dec.Decode(&c) != nil {
				endSoon()
				cancel()
				return
			}
			calls <- c
		}
	}()
	s, err := open(ctx, arg)
	sv.answer(answer{Err: pack(err)})
	if err != nil {
		return
	}
	sv.s, sv.close = s, sync.OnceValue(func() error { return store.Close(s) })
	var wg sync.WaitGroup
	for c := range calls {
		switch c.Verb {
		case stop, more:
			sv.tell(c)
		default:
			r := sv.begin(c)
			wg.Go(func() { sv.handle(c, r) })
		}
	}
	_ = sv.close()
	wg.Wait()
}

// begin makes a call known, so that it can be cancelled.
func (sv *server) begin(c call) *running {
	r := &running{more: make(chan struct{}, 2)}
	if c.Left > 0 {
		r.ctx, r.cancel = context.WithTimeout(sv.ctx, c.Left)
	} else {
		r.ctx, r.cancel = context.WithCancel(sv.ctx)
	}
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.running[c.N] = r
	return r
}

// tell tells a call that is under way. One that is over is not told.
func (sv *server) tell(c call) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	r := sv.running[c.N]
	switch {
	case r == nil:
	case c.Verb == stop:
		r.cancel()
	default:
		r.more <- struct{}{} // there is room for a whole window
	}
}

func (sv *server) handle(c call, r *running) {
	a := sv.made(c, r)
	r.cancel()
	sv.mu.Lock()
	delete(sv.running, c.N)
	sv.mu.Unlock()
	sv.answer(a)
}

// answer sends. Where nobody reads any more, nobody asks any more either.
func (sv *server) answer(a answer) {
	sv.out.Lock()
	defer sv.out.Unlock()
	_ = sv.out.Encode(a)
}

// made makes the call.
func (sv *server) made(c call, r *running) answer {
	a, s, ctx := answer{N: c.N}, sv.s, r.ctx
	var err error
	switch c.Verb {
	case load:
		a.Entry, err = s.Load(ctx, c.ID)
	case create:
		a.Revision, err = s.Create(ctx, c.ID, c.Record, c.TTL)
	case update:
		a.Revision, err = s.Update(ctx, c.ID, c.Record, c.TTL, c.Base)
	case touch:
		err = s.Touch(ctx, c.ID, c.TTL)
	case remove:
		err = s.Delete(ctx, c.ID)
	case list:
		err = sv.list(c, r)
	case removeOwner:
		a.Count, err = store.DeleteOwner(ctx, s, c.Owner)
	case count:
		a.Count, err = store.Count(ctx, s)
	case clearAll:
		err = store.Clear(ctx, s)
	case sweep:
		a.Count, err = store.Sweep(ctx, s)
	case ping:
		err = store.Ping(ctx, s)
	case shut:
		err = sv.close()
	default:
		err = fmt.Errorf("peer: no call %d", c.Verb)
	}
	a.Err = pack(err)
	return a
}

// list sends what a listing yields, a window ahead at most.
func (sv *server) list(c call, r *running) error {
	left := window
	for l, err := range store.List(r.ctx, sv.s, c.Query) {
		if err != nil {
			return err
		}
		if left == 0 {
			select {
			case <-r.more:
				left += window / 2
			case <-r.ctx.Done():
				return fmt.Errorf("peer: list: %w", r.ctx.Err())
			}
		}
		sv.answer(answer{N: c.N, Listed: &l})
		left--
	}
	return nil
}
