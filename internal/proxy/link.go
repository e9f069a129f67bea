package proxy

import "net"

// link is one connection through the proxy. Its fields are under the proxy's lock but
// for those that are set once.
type link struct {
	p      *Proxy
	client *net.TCPConn
	server *net.TCPConn // nil until it is connected
	split  Splitter
	done   chan struct{} // closed when both connections are
	over   bool          // done is closed
	deaf   bool          // what the client says goes nowhere
	mute   bool          // what the server says goes nowhere

	asked, answered int     // replies
	losing          *active // the LoseReply that waits for the end of a reply
	last            int     // which reply that is, by number
}

// connect dials the server. One that cannot be reached resets the client.
func (l *link) connect(target string) bool {
	var d net.Dialer
	c, err := d.DialContext(l.p.ctx, "tcp", target)
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err != nil {
		l.end(true)
		return false
	}
	l.server = c.(*net.TCPConn)
	if l.over {
		_ = l.server.Close()
	}
	return !l.over
}

// end closes both connections. The caller has the lock.
func (l *link) end(rst bool) {
	if l.over {
		return
	}
	l.over = true
	close(l.done)
	if rst {
		_ = l.client.SetLinger(0)
	}
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
	l.release()
}

// release gives a LoseReply back, whose reply will not end: let it be another write.
// The caller has the lock.
func (l *link) release() {
	if l.losing != nil {
		l.losing.spent = false
		l.losing = nil
	}
}

// met has the connection meet a fault that strikes open and new ones. The caller has
// the lock.
func (l *link) met(a *active) {
	switch {
	case l.over:
	case a.Kind == Refuse, a.Kind == Reset:
		a.hit(l)
		l.end(true)
	case a.Kind == HalfClose:
		a.hit(l)
		l.mute = true
		_ = l.client.CloseWrite()
	}
}

// lose breaks the connection for a fault that strikes once.
func (l *link) lose(a *active) {
	defer a.busy.Done()
	if a.Between != nil {
		a.Between()
	}
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.snap(a)
}

// snap breaks the connection. The caller has the lock.
func (l *link) snap(a *active) {
	if !a.FIN {
		l.end(true)
		return
	}
	// Closed with something unread it would be an RST after all.
	l.deaf, l.mute = true, true
	_ = l.client.CloseWrite()
	_ = l.server.CloseWrite()
}
