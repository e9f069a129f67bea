package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Info is one of an owner's sessions, as [Manager.List] shows it.
type Info struct {
	// Handle is what [Manager.End] calls the session by. It is not its id, is worth
	// nothing without the owner, and stays when the session is renewed.
	Handle string

	Device          string    // what [Session.SetDevice] noted
	Began           time.Time // by the clock of the server on which it did
	Since           time.Time // it is this owner's: when they logged in
	AuthenticatedAt time.Time
	AuthenticatedBy string
	Persistent      bool

	// Seen is when the session was last used, to a tenth of its idle timeout. Where the
	// absolute timeout is nearer than the idle one, nothing extends the life any more,
	// and it may have been used since.
	Seen time.Time
	Ends time.Time // if it is not used any more
}

// List returns the sessions of an owner, the one that was used last first. It reads
// each of them, and holds as many in memory. What cannot be read is passed over.
//
// It returns an error that wraps [store.ErrInvalid] for what is no owner, or "",
// [errors.ErrUnsupported] if the store cannot list, or the store's error.
func (m *Manager) List(ctx context.Context, owner string) ([]Info, error) {
	var all []Info
	err := m.each(ctx, owner, func(l listed) error {
		all = append(all, m.info(&l))
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Info) int {
		return cmp.Or(b.Seen.Compare(a.Seen), b.Since.Compare(a.Since), cmp.Compare(a.Handle, b.Handle))
	})
	return all, nil
}

// End ends the session of an owner that has the handle. Its next request has no
// session. It returns [store.ErrNotFound] if the owner has no such session, or an
// error as [Manager.List] does.
func (m *Manager) End(ctx context.Context, owner, handle string) error {
	ended, err := m.endWhere(ctx, owner, func(l *listed) bool { return l.handle() == handle })
	if err == nil && ended == 0 {
		return fmt.Errorf("session: end: %w", store.ErrNotFound)
	}
	return err
}

// EndOthers ends the other sessions of s's owner: what to do after a password was
// changed. Sessions that begin meanwhile may stay; the ones that are renewed meanwhile
// do not.
//
// It returns an error as [Manager.List] does, also if s is nobody's.
func (m *Manager) EndOthers(ctx context.Context, s *Session) error {
	s.write.Lock() // so that it is not renewed meanwhile
	defer s.write.Unlock()
	_, err := m.endWhere(ctx, s.Owner(), func(l *listed) bool { return l.forward != nil || l.key != s.key })
	return err
}

// EndAll ends all sessions of an owner: what to do before a user is deleted, or when an
// account was taken over. Sessions that begin meanwhile may stay; the ones that are
// renewed meanwhile do not.
//
// It returns an error as [Manager.List] does.
func (m *Manager) EndAll(ctx context.Context, owner string) error {
	if err := wantOwner(owner); err != nil {
		return err
	}
	ctx, cancel := through(ctx)
	defer cancel()
	left := -1
	// A session that is being renewed may be under no id at the moment, and appear
	// afterwards. Where nothing was left to remove there is none such: the renewal
	// finds its forward gone.
	for try := 0; left != 0 && try < 3; try++ {
		var err error
		left, err = store.DeleteOwner(ctx, m.store, owner)
		if errors.Is(err, errors.ErrUnsupported) {
			left = -1 // one by one
			break
		}
		if err != nil {
			return fmt.Errorf("session: end all: %w", err)
		}
	}
	if left != 0 {
		if _, err := m.endWhere(ctx, owner, func(*listed) bool { return true }); err != nil {
			return err
		}
	}
	m.tell(ctx, EndedAll, nil)
	return nil
}

// endWhere ends those of an owner's sessions that chosen says.
//
// A forward keeps the owner and the handle of its session: who looks for the session
// while it is being renewed finds the one or the other. Where the forward leads nowhere
// chosen is asked about the forward itself: the session has ended, or is not there yet,
// in which case the renewal must not find the forward at its end.
func (m *Manager) endWhere(ctx context.Context, owner string, chosen func(*listed) bool) (ended int, err error) {
	ctx, cancel := through(ctx)
	defer cancel()
	seen := map[string]bool{} // the forwards that were followed
	err = m.all(ctx, owner, func(l listed) error {
		first := l.key
		for l.forward != nil {
			if l.forward.to == "" || seen[l.key] {
				return nil
			}
			seen[l.key] = true
			next, err := m.look(ctx, l.forward.to)
			if errors.Is(err, store.ErrNotFound) {
				break
			}
			if errors.Is(err, store.ErrCorrupt) {
				return nil // nobody can use it either
			}
			if err != nil {
				return err
			}
			l = next
		}
		if l.owner != owner || !chosen(&l) {
			return nil
		}
		c, cancel := m.storeContext(ctx)
		defer cancel()
		one, err := m.kill(c, first, owner)
		if err != nil {
			return err
		}
		if one {
			ended++
			m.tell(ctx, Ended, nil)
		}
		return nil
	})
	return ended, err
}

// through is ctx without its cancellation, since the client who has pressed the button may
// go away, and with its deadline: without one, a minute, for a store that hangs.
func through(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}

// listed is a record of an owner.
type listed struct {
	record
	key string
	ttl time.Duration
}

func (l *listed) handle() string { return handle(l.key, l.meta) }

// look reads a record whatever it is.
func (m *Manager) look(ctx context.Context, key string) (listed, error) {
	ctx, cancel := m.storeContext(ctx)
	defer cancel()
	e, err := m.store.Load(ctx, key)
	if err != nil {
		return listed{}, err
	}
	rec, err := decode(e.Data)
	rec.owner = e.Owner
	return listed{rec, key, e.TTL}, err
}

// each calls f with the owner's sessions.
func (m *Manager) each(ctx context.Context, owner string, f func(listed) error) error {
	return m.all(ctx, owner, func(l listed) error {
		if l.forward != nil || m.life(&l.record) <= 0 {
			return nil
		}
		return f(l)
	})
}

// all calls f with the owner's records, forwards among them.
func (m *Manager) all(ctx context.Context, owner string, f func(listed) error) error {
	if err := wantOwner(owner); err != nil {
		return err
	}
	for l, err := range store.List(ctx, m.store, store.Query{Owner: owner, Data: true}) {
		if err == nil {
			var rec record
			if rec, err = decode(l.Data); err != nil {
				continue // nobody can use it either
			}
			rec.owner = l.Owner
			err = f(listed{rec, l.ID, l.TTL})
		}
		if err != nil {
			return fmt.Errorf("session: list: %w", err)
		}
	}
	return nil
}

func wantOwner(owner string) error {
	if owner == "" {
		return fmt.Errorf(`session: %w: the owner "" is nobody`, store.ErrInvalid)
	}
	if err := store.CheckOwner(owner); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

func (m *Manager) info(l *listed) Info {
	now := m.now()
	idle, _ := m.timeouts(&l.meta)
	left := min(l.ttl, m.life(&l.record))
	i := Info{
		Handle: l.handle(), Device: l.device, Began: l.began, Since: l.since, Seen: l.seen,
		AuthenticatedAt: l.authAt, AuthenticatedBy: l.authBy, Persistent: l.persistent,
		Ends: now.Add(left).Truncate(time.Millisecond),
	}
	// A touch writes nothing into the record, but what is left of the idle timeout
	// says when it was, or that it was not before: where the absolute one comes first. A
	// life that is longer than the idle timeout was given before that was made shorter.
	if touched := now.Add(l.ttl - idle).Truncate(time.Millisecond); idle > 0 && touched.After(i.Seen) && l.ttl <= idle+precision {
		i.Seen = touched
	}
	if i.Seen.After(now) {
		i.Seen = now.Truncate(time.Millisecond)
	}
	return i
}

// newHandle returns 128 random bits.
func newHandle() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return encoding.EncodeToString(b[:])
}

// handle is what a session's owner calls it by. One to which the owner came in another
// way than by [Session.SetOwner] has it from its key.
func handle(key string, x meta) string {
	switch {
	case x.owner == "":
		return ""
	case x.handle != "":
		return x.handle
	case key == "":
		return ""
	}
	sum := sha256.Sum256([]byte("handle:" + key))
	return encoding.EncodeToString(sum[:16])
}
