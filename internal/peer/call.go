package peer

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// late is what the process has to answer after a deadline, which it knows itself and
// keeps by its own clock. A store must return within 100 ms.
const late = 50 * time.Millisecond

// call makes a call and waits for its answer.
func (s *Store) call(ctx context.Context, c call) (answer, error) {
	answers, err := s.begin(ctx, &c, 1)
	if err != nil {
		return answer{}, err
	}
	defer s.forget(c.N)
	return s.wait(ctx, &c, answers)
}

// begin sends a call, whose answers it gives a number and so much room.
func (s *Store) begin(ctx context.Context, c *call, room int) (<-chan answer, error) {
	answers := make(chan answer, room)
	s.mu.Lock()
	if s.closed && c.Verb != shut {
		s.mu.Unlock()
		return nil, fmt.Errorf("peer: %v: %w", c.Verb, store.ErrClosed)
	}
	s.last++
	c.N = s.last
	s.waits[c.N] = answers
	s.mu.Unlock()
	if err := store.CheckContext(ctx); err != nil {
		s.forget(c.N)
		return nil, fmt.Errorf("peer: %v: %w", c.Verb, err)
	}
	if end, ok := ctx.Deadline(); ok {
		c.Left = max(1, time.Until(end))
	}
	select {
	case s.calls <- *c:
		return answers, nil
	case <-s.ended:
		s.forget(c.N)
		return nil, fmt.Errorf("peer: %v: %w", c.Verb, s.gone(c))
	case <-ctx.Done():
		s.forget(c.N)
		return nil, fmt.Errorf("peer: %v: %w", c.Verb, store.CheckContext(ctx))
	}
}

// wait waits for the next answer to a call. The store decides what a call comes to
// whose context ends; only where it says nothing, this does.
func (s *Store) wait(ctx context.Context, c *call, answers <-chan answer) (answer, error) {
	select {
	case a := <-answers:
		return a, a.Err.unpack()
	case <-s.ended:
		return s.rest(c, answers, s.gone(c))
	case <-ctx.Done():
	}
	grace := late
	if errors.Is(ctx.Err(), context.Canceled) {
		grace = patience
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var stops chan<- call // the deadline the process knows
	if errors.Is(ctx.Err(), context.Canceled) {
		stops = s.calls
	}
	for {
		select {
		case a := <-answers:
			return a, a.Err.unpack()
		case stops <- call{N: c.N, Verb: stop}:
			stops = nil
		case <-s.ended:
			return s.rest(c, answers, s.gone(c))
		case <-timer.C:
			return s.rest(c, answers, fmt.Errorf("no answer: %w", ctx.Err()))
		}
	}
}

// rest is an answer that has come all the same, or the error. A write that was sent and
// not answered may have happened.
func (s *Store) rest(c *call, answers <-chan answer, err error) (answer, error) {
	select {
	case a := <-answers:
		return a, a.Err.unpack()
	default:
	}
	if c.Verb.writes() {
		return answer{}, fmt.Errorf("peer: %v: %w: %w", c.Verb, store.ErrUnknown, err)
	}
	return answer{}, fmt.Errorf("peer: %v: %w", c.Verb, err)
}

// stop ends a listing that nobody wants any more, and waits until it has released what
// it holds.
func (s *Store) stop(n uint64, answers <-chan answer) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	stops := s.calls
	for {
		select {
		case a := <-answers:
			if a.Listed == nil {
				return
			}
		case stops <- call{N: n, Verb: stop}:
			stops = nil
		case <-s.ended:
			return
		case <-timer.C:
			return
		}
	}
}

// tell sends what is not answered.
func (s *Store) tell(c call, enough <-chan struct{}) {
	select {
	case s.calls <- c:
	case <-s.ended:
	case <-enough:
	}
}

func (s *Store) forget(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waits, n)
}

// read hands out answers until the process has ended.
func (s *Store) read() {
	dec := gob.NewDecoder(s.p.Out)
	var err error
	for {
		var a answer
		if err = dec.Decode(&a); err != nil {
			break
		}
		s.mu.Lock()
		w := s.waits[a.N]
		s.mu.Unlock()
		if w != nil {
			w <- a // there is room
		}
	}
	// It has ended, or says what is no answer.
	_ = s.p.Kill()
	s.why = ErrEnded
	if s.p.err != nil {
		s.why = fmt.Errorf("%w: %w", ErrEnded, s.p.err)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		s.why = fmt.Errorf("%w, since what it said could not be read: %w", s.why, err)
	}
	close(s.ended)
}

// write sends calls. Whoever has one waits for it no longer than for an answer: a
// process that reads nothing holds up this goroutine alone.
func (s *Store) write() {
	defer s.p.In.Close()
	enc := gob.NewEncoder(s.p.In)
	for {
		select {
		case c := <-s.calls:
			if enc.Encode(c) != nil {
				_ = s.p.Kill() // it has ended, or is of no use
				return
			}
		case <-s.quit:
			return
		case <-s.ended:
			return
		}
	}
}

// gone is why a process that has ended does not answer a call.
func (s *Store) gone(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && c.Verb != shut {
		return store.ErrClosed
	}
	return s.why
}

// shut is Close, once.
func (s *Store) shut() error {
	s.mu.Lock()
	s.closed = true
	killed := s.killed
	s.mu.Unlock()
	if killed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	_, err := s.call(ctx, call{Verb: shut})
	close(s.quit)
	select {
	case <-s.ended:
	case <-ctx.Done():
		_ = s.p.Kill()
		err = errors.Join(err, fmt.Errorf("peer: close: the process did not end within %v and was killed", 2*patience))
	}
	s.wg.Wait()
	if s.p.err != nil && !errors.Is(err, ErrEnded) {
		return errors.Join(err, fmt.Errorf("peer: close: %w", s.p.err))
	}
	return err
}
