package proxy

import (
	"net"
	"sync"
)

// port is a port that can stop to listen, and listen again.
type port struct {
	addr string

	mu       sync.Mutex
	listener *net.TCPListener
	hears    chan struct{} // closed while it listens
}

// newPort finds a free port. It is bound by its number, and not by 0: only so does
// Linux leave it to a socket that stops to listen.
func newPort() (*port, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		addr := l.Addr().String()
		_ = l.Close()
		if l, err = net.Listen("tcp", addr); err != nil {
			continue // somebody was quicker
		}
		p := &port{addr: addr, listener: l.(*net.TCPListener), hears: make(chan struct{})}
		close(p.hears)
		return p, nil
	}
	return nil, err
}

func (p *port) accept() (*net.TCPConn, error) {
	p.mu.Lock()
	l := p.listener
	p.mu.Unlock()
	return l.AcceptTCP()
}

// listening returns a channel that is closed when the port listens.
func (p *port) listening() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hears
}

// deafen stops listening: the kernel refuses.
func (p *port) deafen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.hears:
		p.hears = make(chan struct{})
		return p.hold()
	default:
		return nil
	}
}

// listen undoes deafen.
func (p *port) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.resume()
	close(p.hears)
	return err
}

func (p *port) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
}
