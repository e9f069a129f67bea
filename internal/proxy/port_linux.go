package proxy

import "syscall"

// hold makes the kernel refuse connections to the port, which stays ours. Closed, it
// could be given to somebody else before it is listened on again: the ports that
// dialers get are out of the same range.
func (p *port) hold() error {
	return p.control(func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RDWR) })
}

// resume undoes hold.
func (p *port) resume() error {
	return p.control(func(fd int) error { return syscall.Listen(fd, syscall.SOMAXCONN) })
}

func (p *port) control(f func(fd int) error) error {
	raw, err := p.listener.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = f(int(fd)) }); err != nil {
		return err
	}
	return done
}
