package session

import (
	"time"
)

// inGrace reports whether a forward still stands for the session. The store's clock
// says so; but a touch that comes late, from a request that knows nothing of the
// renewal, gives the forward a longer life, so this server's clock is asked too: alone,
// where the life shows that there was such a touch.
func (m *Manager) inGrace(f *forward, left time.Duration) bool {
	if f.grace <= 0 || left <= f.keep {
		return false
	}
	ends := f.renewed.Add(f.grace)
	if left <= f.grace+f.keep+precision {
		ends = ends.Add(m.opts.maxSkew())
	}
	return m.now().Before(ends)
}

// timeouts are a session's own, or the manager's. 0 is none.
func (m *Manager) timeouts(x *meta) (idle, absolute time.Duration) {
	idle, absolute = m.opts.idle(), m.opts.absolute()
	if x.idle > 0 {
		idle = min(x.idle, m.opts.maxLife())
	}
	if x.absolute > 0 {
		absolute = min(x.absolute, m.opts.maxLife())
	}
	return idle, absolute
}

// life is the lifetime to ask of the store: what is left of the absolute one, and
// at most the idle one. It is 0 or less when the session is over.
func (m *Manager) life(r *record) time.Duration { return m.lifeAt(r, m.now()) }

func (m *Manager) lifeAt(r *record, now time.Time) time.Duration {
	idle, absolute := m.timeouts(&r.meta)
	if absolute == 0 {
		return idle
	}
	began := r.began
	if r.since.After(began) {
		began = r.since // another's session, which keeps the values
	}
	left := absolute - max(now.Sub(began), 0)
	if idle > 0 {
		left = min(left, idle)
	}
	return left
}
