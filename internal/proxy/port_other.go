//go:build !linux

package proxy

import (
	"net"
	"time"
)

// hold makes the kernel refuse connections to the port by closing it.
func (p *port) hold() error { return p.listener.Close() }

// resume undoes hold. Whoever was given the port meanwhile may give it back.
func (p *port) resume() error {
	var err error
	for range 500 {
		var l net.Listener
		if l, err = net.Listen("tcp", p.addr); err == nil {
			p.listener = l.(*net.TCPListener)
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
