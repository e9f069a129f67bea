package proxy

import (
	"net"
	"time"
)

// send writes to one side, as slowly and as far as the faults will have it, and reports
// whether more may follow.
func (l *link) send(to *net.TCPConn, b []byte, side Side) bool {
	for len(b) > 0 {
		n, slow, ok := l.allowed(side, len(b))
		if !ok {
			return false
		}
		if slow != nil && !l.wait(slow.Delay, slow) {
			return false
		}
		if _, err := to.Write(b[:n]); err != nil {
			return l.unheard(side)
		}
		b = b[n:]
	}
	return true
}

// delay waits as Latency will have it for what was read at a time.
func (l *link) delay(side Side, at time.Time) bool {
	l.p.mu.Lock()
	a := l.p.find(Latency, side)
	if a == nil {
		l.p.mu.Unlock()
		return true
	}
	a.hit(l)
	l.p.mu.Unlock()
	if a.Delay > 0 {
		// What was read together is late together.
		return l.wait(time.Until(at.Add(a.Delay)), a)
	}
	select {
	case <-a.lifted:
		return true
	case <-l.done:
		return false
	}
}

// wait waits for d, or until the fault is undone, and reports whether the connection
// is still there.
func (l *link) wait(d time.Duration, a *active) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-a.lifted:
		case <-l.done:
		}
	}
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// allowed returns how many of n bytes may be written now, and who slows them down.
// It is false where the connection was cut instead.
func (l *link) allowed(side Side, n int) (allowed int, slow *active, ok bool) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if a := l.p.find(Slow, side); a != nil {
		a.hit(l)
		slow, n = a, 1
	}
	a := l.p.find(Cut, side)
	if a == nil {
		return n, slow, true
	}
	if a.left == 0 {
		a.spent = true
		a.hit(l)
		l.snap(a)
		return 0, nil, false
	}
	n = min(n, a.left)
	a.left -= n
	return n, slow, true
}

// unheard is what becomes of a connection whose one side takes no more. The other side
// is not told: it will be by the stream that comes back.
func (l *link) unheard(side Side) bool {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if side == Requests {
		l.deaf = true
		return false
	}
	l.mute = true
	return !l.over
}
