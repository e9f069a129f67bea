package session

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// fits refuses a change that would make the session too large (SEC-22). The sum of all
// changes is an upper bound that costs nothing.
func (s *Session) fits(o op) error {
	opts := &s.scope.m.opts
	if o.json == nil {
		return nil
	}
	keys, bytes := len(s.base.values)+len(s.ops)+1, s.base.size()+len(o.key)+len(o.json)
	for i := range s.ops {
		bytes += len(s.ops[i].key) + len(s.ops[i].json)
	}
	if opts.fits(keys, bytes) == nil {
		return nil
	}
	next, _ := changes(&s.base, append(slices.Clip(s.ops), o))
	return opts.fits(len(next.values), next.size())
}

// encode is the record as it is stored, unless it is too large (SEC-22).
func (m *Manager) encode(r *record) ([]byte, error) {
	if err := m.opts.fits(len(r.values), r.size()); err != nil {
		return nil, err
	}
	r.seen = m.now().Truncate(time.Millisecond)
	return r.encode(), nil
}

// limited reports whether a change is a login that MaxPerOwner has a say in.
func (m *Manager) limited(base, next *record) bool {
	return m.opts.MaxPerOwner.N > 0 && next.owner != "" && next.owner != base.owner
}

// admitted writes a login while no other one of the same owner does. The contract has
// no transaction over several sessions, but a Create of which one succeeds: that is the
// lock, with a life of its own for the case that its holder dies.
func (s *Session) admitted(ctx context.Context, owner string, write func() error) error {
	m := s.scope.m
	lease := 2*m.opts.timeout() + time.Second
	if m.opts.timeout() == 0 {
		lease = 30 * time.Second
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lease/2)
		defer cancel()
	}
	key := gateKey(owner)
	gate := m.gates[phase(key)%uint64(len(m.gates))]
	select { // one of this process at a time asks the store
	case gate <- struct{}{}:
		defer func() { <-gate }()
	case <-ctx.Done():
		return fmt.Errorf("session: other logins of the owner take too long: %w", ctx.Err())
	}
	began, err := m.lock(ctx, key, lease)
	if err != nil {
		return err
	}
	defer func() {
		// Near its end the lock may be another's already.
		if time.Since(began) < lease/2 {
			ctx, cancel := m.storeContext(context.WithoutCancel(ctx))
			defer cancel()
			_ = m.store.Delete(ctx, key) // it ends by itself otherwise
		}
	}()
	if err := s.makeRoom(ctx, owner); err != nil {
		return err
	}
	if time.Since(began) > lease/2 { // this process stood still
		return fmt.Errorf("session: the login took too long: %w", context.DeadlineExceeded)
	}
	return write()
}

// gateKey is what the store calls the lock by. What is summed is longer than an id, so
// that there is no cookie for it.
func gateKey(owner string) string {
	sum := sha256.Sum256([]byte("the lock on the logins of the owner " + owner))
	return encoding.EncodeToString(sum[:])
}

// lock creates the record under key, and returns when it began to.
func (m *Manager) lock(ctx context.Context, key string, lease time.Duration) (began time.Time, err error) {
	gate := record{forward: &forward{}}
	for try := 2; ; try++ { // without the queue
		began = time.Now()
		_, err := m.store.Create(ctx, key, store.Record{Data: gate.encode()}, lease)
		if err == nil {
			return began, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return began, fmt.Errorf("session: %w", err)
		}
		if _, err := m.wait(ctx, 0, try, nil); err != nil {
			return began, fmt.Errorf("session: other logins of the owner take too long: %w", err)
		}
	}
}

// makeRoom refuses a login for which there is no room, or ends the oldest sessions.
func (s *Session) makeRoom(ctx context.Context, owner string) error {
	m := s.scope.m
	var others []listed
	err := m.each(ctx, owner, func(l listed) error {
		if l.key != s.key {
			l.values = nil // which may be large
			others = append(others, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	over := len(others) + 1 - m.opts.MaxPerOwner.N
	if over <= 0 {
		return nil
	}
	s.scope.tell(Limit, nil)
	if !m.opts.MaxPerOwner.EndOldest {
		return ErrLimit
	}
	slices.SortFunc(others, func(a, b listed) int {
		return cmp.Or(a.since.Compare(b.since), a.began.Compare(b.began), cmp.Compare(a.key, b.key))
	})
	for _, l := range others[:over] {
		ended, err := m.kill(ctx, l.key, owner)
		if err != nil {
			return fmt.Errorf("session: end the oldest: %w", err)
		}
		if ended {
			s.scope.tell(Ended, nil)
		}
	}
	return nil
}
