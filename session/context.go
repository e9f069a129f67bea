package session

import (
	"context"
	"sync"
	"time"
)

// bounded is what the store is called with: the values of the request's context
// without its cancellation, and a deadline.
//
// [context.WithDeadline] starts a timer at once, which costs more than a load from
// memory. Here it is started when somebody asks for Done, as a driver does that
// waits for a server.
type bounded struct {
	context.Context // the request's, without cancellation
	deadline        time.Time

	mu     sync.Mutex
	timed  context.Context // with the timer, once it was asked for
	cancel context.CancelFunc
}

// storeContext bounds a call of the store by Options.Timeout and by the deadline
// that ctx has. The caller calls stop when the store has answered.
func (m *Manager) storeContext(ctx context.Context) (c context.Context, stop func()) {
	deadline, has := ctx.Deadline()
	if t := m.opts.timeout(); t > 0 {
		if end := time.Now().Add(t); !has || end.Before(deadline) {
			deadline, has = end, true
		}
	}
	ctx = context.WithoutCancel(ctx)
	if !has {
		return ctx, func() {}
	}
	b := &bounded{Context: ctx, deadline: deadline}
	return b, b.stop
}

// ask returns the context with the timer, if start says so or it is there.
func (b *bounded) ask(start bool) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil && start {
		b.timed, b.cancel = context.WithDeadline(b.Context, b.deadline)
	}
	return b.timed
}

// stop ends the timer. It is Done from then on, as with [context.WithDeadline].
func (b *bounded) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = ended, func() {}
	}
	b.cancel()
}

// ended is a context that was cancelled.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Deadline implements [context.Context].
func (b *bounded) Deadline() (time.Time, bool) { return b.deadline, true }

// Done implements [context.Context].
func (b *bounded) Done() <-chan struct{} { return b.ask(true).Done() }

// Err implements [context.Context].
func (b *bounded) Err() error {
	if c := b.ask(false); c != nil {
		return c.Err()
	}
	if time.Now().Before(b.deadline) {
		return nil
	}
	return b.ask(true).Err() // past its deadline from the start
}

// Value implements [context.Context]. Who makes a context of this one finds the
// timer's by a key of package context, and hangs on to it without a goroutine.
func (b *bounded) Value(key any) any {
	if c := b.ask(false); c != nil && c != ended {
		return c.Value(key)
	}
	return b.Context.Value(key)
}

// String is for those who print a context.
func (b *bounded) String() string { return "session.Store" }
