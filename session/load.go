package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func (sc *scope) load(ctx context.Context) (*Session, error) {
	m := sc.m
	value, n := m.jar.read(sc.r.Header)
	m.advise(sc)
	s := &Session{scope: sc, sent: n > 0}
	s.base.began = m.now().Truncate(time.Millisecond)
	switch n {
	case 0:
		return s, nil
	case 1:
	default:
		sc.tell(Ambiguous, nil) // their order means nothing (RFC 6265bis), so none can be preferred
		return s, nil
	}
	i, ok := parseID(value)
	if !ok {
		sc.tell(Malformed, nil)
		return s, nil
	}
	bounded, cancel := m.storeContext(ctx)
	defer cancel()
	f, err := m.find(bounded, i.key())
	switch {
	case errors.Is(err, errRenewed):
		s.former = i.key()
		if m.opts.EndOnReuse {
			_, err := m.kill(bounded, i.key(), "")
			sc.tell(Reused, err)
		} else {
			sc.tell(Reused, nil)
		}
		return s, nil
	case errors.Is(err, store.ErrNotFound):
		s.former = i.key() // of a session that is being renewed, if of any
		sc.tell(UnknownID, nil)
		return s, nil
	case err != nil && sc.lenient:
		s.down = err
		sc.tell(LoadError, err)
		return s, nil
	case err != nil:
		return nil, err
	}
	if m.lifeAt(&f.record, f.read) <= 0 {
		// The store would keep it until it is idle. If it cannot be deleted now it
		// is refused all the same, each time.
		sc.tell(Expired, m.store.Delete(bounded, f.key))
		return s, nil
	}
	s.id = i
	s.found(f, nil)
	return s, nil
}

// found is a session as it was read.
type found struct {
	record
	key       string
	rev       store.Revision
	ttl       time.Duration
	read      time.Time // by this server's clock
	forwarded bool      // it was asked for by an id that it had before
}

// errRenewed means that an id was given up in a renewal, and is worth nothing now.
var errRenewed = errors.New("session: the id was renewed")

// maxHops is how many renewals a chain of grace periods may have.
const maxHops = 8

// find reads the session under key, or what became of it in a renewal whose grace
// period is not over. A renewal makes the forward before what it leads to, which is
// waited for.
func (m *Manager) find(ctx context.Context, key string) (f found, err error) {
	const patience = 12
	for hop, try := 0, 2; ; {
		e, err := m.store.Load(ctx, key)
		if errors.Is(err, store.ErrNotFound) && hop > 0 && try < patience {
			if _, err := m.wait(ctx, 0, try, nil); err == nil {
				try++
				continue
			}
		}
		if err != nil {
			return found{}, fmt.Errorf("session: load: %w", err)
		}
		rec, err := decode(e.Data)
		if err != nil {
			return found{}, err
		}
		if rec.forward == nil {
			rec.owner = e.Owner
			now := m.now()
			m.straighten(&rec, now)
			return found{record: rec, key: key, rev: e.Revision, ttl: e.TTL, read: now, forwarded: hop > 0}, nil
		}
		switch {
		case rec.forward.to == "": // it has ended
			return found{}, fmt.Errorf("session: load: %w", store.ErrNotFound)
		case !m.inGrace(rec.forward, e.TTL):
			return found{}, errRenewed
		case hop == maxHops: // nobody has misused the id
			return found{}, fmt.Errorf("session: load: %d renewals since: %w", hop, store.ErrNotFound)
		}
		key = rec.forward.to
		hop++
	}
}

// straighten has a session begin now that says it began in the future, by more than the
// clocks may differ: it would outlive the absolute timeout. The next save keeps it.
func (m *Manager) straighten(r *record, now time.Time) {
	latest := now.Add(m.opts.maxSkew())
	if r.began.After(latest) {
		r.began, r.skewed = milliseconds(now), true
	}
	if r.since.After(latest) {
		r.since, r.skewed = milliseconds(now), true
	}
}
