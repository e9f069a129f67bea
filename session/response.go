package session

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// response commits the session before the first byte of the response goes out,
// whichever way it goes.
type response struct {
	http.ResponseWriter
	scope    *scope
	encoding []string // the Content-Encoding of who compresses outside of us
	state    atomic.Int32
	err      error // why the save failed; set before state is failed
}

const (
	waiting = iota // nothing has gone out
	passing        // the session is saved, what the handler writes goes out
	failed         // the error was answered, what the handler writes is dropped
)

func (w *response) begun() bool { return w.state.Load() != waiting }

// begin saves the session and sets the headers, the first time it is called. It
// returns why the save failed, in which case the client was answered.
func (w *response) begin() error {
	switch w.state.Load() {
	case passing:
		return nil
	case failed:
		return w.err
	}
	sc := w.scope
	sc.mu.Lock()
	if !sc.asked.Load() { // and will not be any more
		w.state.Store(passing)
		sc.mu.Unlock()
		return nil
	}
	defer sc.mu.Unlock()
	if w.begun() {
		return w.err
	}
	return w.commit()
}

// commit is begin for a session that was asked for. The caller holds the scope's mu.
func (w *response) commit() error {
	// Also if a function of Update panics below: then who recovers may answer.
	defer w.state.CompareAndSwap(waiting, passing)
	sc, h := w.scope, w.Header()
	vary(h, &sc.vary)
	if sc.s == nil { // it could not be loaded, and the handler was told
		noStore(h) // whatever it makes of that, it is not the page that it would have been
		return nil
	}
	if w.written() && (sc.s.pending() || sc.s.clears()) {
		sc.tell(Bypassed, errBypassed)
		if sc.s.undeliverable() {
			sc.s.close()
			return nil
		}
	}
	err := sc.s.commit()
	sc.s.setCookie(h)
	if err == nil {
		return nil
	}
	w.err = err
	w.state.Store(failed)
	sc.tell(SaveError, err)
	if w.written() { // an answer at the end of what went out already would help nobody
		return err
	}
	forget(h)
	if w.encoding != nil {
		h["Content-Encoding"] = w.encoding
	}
	noStore(h) // whatever OnError says: what the handler has said was not about this
	sc.m.Error(w.ResponseWriter, sc.r, err)
	return err
}

// answered is deferred by the handler. A handler that panics because its writes fail, as
// httputil.ReverseProxy and huma do, must not cut off the answer to the failed save.
func (w *response) answered() {
	if w.state.Load() != failed {
		return
	}
	p := recover()
	if p == nil || p == http.ErrAbortHandler {
		return
	}
	if err, ok := p.(error); !ok || !errors.Is(err, w.err) {
		panic(p)
	}
}

// forget takes away the headers that described a response which is not sent, or would
// have the browser go on as after a success.
func forget(h http.Header) {
	for _, name := range aboutTheBody {
		h.Del(name)
	}
	for name := range h {
		if strings.HasPrefix(name, "Hx-") || strings.HasPrefix(name, http.TrailerPrefix) {
			delete(h, name) // htmx follows HX-Redirect and its like whatever the status is
		}
	}
}

var aboutTheBody = []string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location",
	"Content-Range", "Content-Type", "Digest", "Etag", "Expires", "Last-Modified", "Location", "Refresh", "Repr-Digest", "Trailer", "Transfer-Encoding",
}

// setCookie sets the headers of a cookie that is new, or has ended.
func (s *Session) setCookie(h http.Header) {
	j := &s.scope.m.jar
	switch {
	case s.cookie.isSet:
		h.Add("Set-Cookie", j.line(s.cookie.set, s.maxAge()))
	case s.cookie.clear:
		h.Add("Set-Cookie", j.clear)
	case s.down != nil: // a page that is not what it would have been
	default:
		return
	}
	noStore(h)
}

// clears reports whether the response is to clear the cookie.
func (s *Session) clears() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cookie.clear
}

// maxAge is how long the browser is to keep the cookie; 0 is until it is closed.
func (s *Session) maxAge() time.Duration {
	if !s.base.persistent {
		return 0
	}
	return max(s.ttl-s.scope.m.now().Sub(s.read), time.Second)
}

var errBypassed = errors.New("session: the response was written before the session was saved, past the writer that the handler was given: wrap the whole server with Handler, outside of a framework that has a writer of its own")

// written reports whether the response has begun in another way than through w, as
// far as the writer below can tell: gin's can.
func (w *response) written() bool {
	below, ok := w.ResponseWriter.(interface{ Written() bool })
	return ok && below.Written()
}

// Unwrap is for [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return unwrapped{w} }

// unwrapped is what is below a response, for those who unwrap it: who writes to it, or
// takes the connection, has the session saved first all the same. What a response has not
// is found further below.
type unwrapped struct{ *response }

// Unwrap is for [http.ResponseController].
func (w unwrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter]. Informational responses go out as
// they are, before the session is saved; 101 is the last one and commits.
func (w *response) WriteHeader(code int) {
	if code >= 100 && code < 200 && code != http.StatusSwitchingProtocols {
		if w.state.Load() != failed {
			w.ResponseWriter.WriteHeader(code)
		}
		return
	}
	if w.begin() == nil {
		w.ResponseWriter.WriteHeader(code)
	}
}

// Write implements [http.ResponseWriter]. It returns the error of a save that
// failed.
func (w *response) Write(b []byte) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *response) WriteString(s string) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements [io.ReaderFrom], with which a server sends files.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	return io.Copy(w.ResponseWriter, r)
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (w *response) FlushError() error {
	if err := w.begin(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker].
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.begin(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// CloseNotify implements http.CloseNotifier, which is deprecated, but without which
// gin's c.Stream panics.
func (w *response) CloseNotify() <-chan bool {
	if n, ok := w.ResponseWriter.(interface{ CloseNotify() <-chan bool }); ok {
		return n.CloseNotify()
	}
	gone := make(chan bool, 1)
	context.AfterFunc(w.scope.Context, func() { gone <- true })
	return gone
}
