package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy listens on a port of this machine and hands on what comes, until it is told
// to fail. It is safe for use by many goroutines.
type Proxy struct {
	port *port
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // every goroutine

	mu       sync.Mutex
	target   string
	protocol Protocol
	faults   []*active          // in the order in which they were set
	links    map[*link]struct{} // open
	closed   bool
	errs     []error // what Close returns
}

// New listens on a free port of 127.0.0.1 and hands on to target, a host and a port.
func New(target string) (*Proxy, error) {
	port, err := newPort()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{port: port, target: target, links: map[*link]struct{}{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the host and the port that the proxy listens on. It never changes.
func (p *Proxy) Addr() string { return p.port.addr }

// SetTarget says where the connections to come lead: a server that was started again
// may have another port. Open ones stay where they are.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// SetProtocol says what the connections to come speak; nil is nothing that is
// known. Open ones stay as they are.
func (p *Proxy) SetProtocol(protocol Protocol) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.protocol = protocol
}

// DialContext dials the proxy, whatever the address. For drivers that take a dialer:
// what it is refused counts as struck by [Refuse], which a proxy cannot see otherwise.
func (p *Proxy) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.Addr())
	if err != nil && ctx.Err() == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if a := p.find(Refuse, Both); a != nil {
			a.strike()
		}
	}
	return c, err
}

// Close undoes all faults, resets what is open and returns when no goroutine of the
// proxy is left. Its error says which stream was not of the protocol, if one was not.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.stop()
		p.port.close()
		for len(p.faults) > 0 {
			p.remove(p.faults[0])
		}
		for l := range p.links {
			l.end(true)
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}

// note keeps an error for Close. The caller has the lock.
func (p *Proxy) note(err error) {
	if err != nil && len(p.errs) < 10 {
		p.errs = append(p.errs, fmt.Errorf("proxy: %w", err))
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.port.accept()
		if err == nil {
			p.wg.Go(func() { p.serve(c) })
			continue
		}
		// Refuse is on, or there are too many open files.
		select {
		case <-p.ctx.Done():
			return
		case <-p.port.listening():
		}
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// serve is the life of a connection.
func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	l := &link{p: p, client: client, split: blind{}, done: make(chan struct{})}
	if p.protocol != nil {
		l.split = p.protocol()
	}
	target := p.target
	p.links[l] = struct{}{}
	if p.closed {
		l.end(true)
	}
	for _, a := range p.faults {
		l.met(a)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		l.end(false)
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if !l.connect(target) {
		return
	}
	var replies sync.WaitGroup
	replies.Go(l.replies)
	l.requests()
	replies.Wait()
}
