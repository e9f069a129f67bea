package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// source reads one side and knows when, and why it ended.
type source struct {
	net.Conn
	at  time.Time
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.at, s.err = time.Now(), err
	return n, err
}

// window is how much is read at a time.
const window = 64 << 10

// requests hands on what the client says, until a fault strikes.
func (l *link) requests() {
	src := &source{Conn: l.client}
	r := bufio.NewReaderSize(src, window)
	for {
		q, err := l.split.Request(r)
		if len(q.Bytes) > 0 && !l.request(q, src.at) {
			_, _ = io.Copy(io.Discard, l.client) // until it is closed
			return
		}
		if err != nil {
			l.ended(Requests, err, src.err)
			return
		}
	}
}

// request hands a request on, and reports whether the next one may follow.
func (l *link) request(q Request, at time.Time) bool {
	if !l.delay(Requests, at) {
		return false
	}
	l.p.mu.Lock()
	if a := l.p.find(DropRequests, Both); a != nil && !l.over {
		a.hit(l)
		l.deaf, l.mute = true, true
	}
	if l.over || l.deaf {
		l.p.mu.Unlock()
		return false
	}
	if q.Write {
		if a := l.p.find(LoseRequest, Both); a != nil {
			a.spent = true
			a.hit(l)
			a.busy.Add(1)
			l.p.mu.Unlock()
			l.lose(a)
			return false
		}
		if a := l.p.find(LoseReply, Both); a != nil && l.losing == nil {
			a.spent = true
			l.losing, l.last = a, l.asked+1
		}
	}
	if q.Asks {
		l.asked++
	}
	l.p.mu.Unlock()
	return l.send(l.server, q.Bytes, Requests)
}

// replies hands on what the server says.
func (l *link) replies() {
	src := &source{Conn: l.server}
	r := bufio.NewReaderSize(src, window)
	for {
		a, err := l.split.Reply(r)
		if len(a.Bytes) > 0 && !l.reply(a, src.at) {
			return
		}
		if err != nil {
			l.ended(Replies, err, src.err)
			return
		}
	}
}

// reply hands a reply on, or loses it, and reports whether the next one may follow.
func (l *link) reply(r Reply, at time.Time) bool {
	if !l.delay(Replies, at) {
		return false
	}
	l.p.mu.Lock()
	if l.over {
		l.p.mu.Unlock()
		return false // what is still buffered strikes nothing
	}
	if a := l.losing; a != nil && l.answered >= l.last-1 {
		if r.Ends {
			l.losing = nil
			a.hit(l)
			a.busy.Add(1)
			l.p.mu.Unlock()
			l.lose(a)
			return false
		}
		l.p.mu.Unlock()
		return true
	}
	if r.Ends {
		l.answered++
	}
	for _, kind := range []Kind{DropRequests, DropReplies} {
		if a := l.p.find(kind, Both); a != nil {
			a.hit(l)
			l.mute = true
			l.deaf = l.deaf || kind == DropRequests
		}
	}
	if a := l.p.find(Errors, Both); a != nil && r.Error {
		a.strike()
	}
	mute := l.mute
	l.p.mu.Unlock()
	return mute || l.send(l.client, r.Bytes, Replies)
}

// ended hands on the end of one side's stream. cause is what reading failed with.
func (l *link) ended(side Side, err, cause error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	to, hole := l.server, l.deaf
	if side == Replies {
		to, hole = l.client, l.mute
		l.release()
	}
	switch {
	case l.over:
	case cause == nil:
		l.p.note(fmt.Errorf("not of the protocol: %w", err))
		l.end(true)
	case hole:
	case errors.Is(cause, io.EOF):
		_ = to.CloseWrite()
	case side == Requests && l.losing != nil:
		// The write goes on without its sender.
	default:
		l.end(errors.Is(cause, syscall.ECONNRESET))
	}
}
