package proxy

import "bufio"

// Protocol returns the [Splitter] of a new connection. What a connection has to
// remember, such as the names of its prepared statements, is the splitter's.
type Protocol func() Splitter

// Splitter cuts the two streams of one connection into what is handed on, or lost,
// as a whole.
//
// Request and Reply are called from two goroutines. A reply is read after the request
// that it answers was returned, so what Reply needs to know of it may be kept under a
// lock; but Reply may have been called, and be waiting for the first byte, before that.
//
// Where a stream ends in the middle, both return what there is with the error, and it
// is handed on. An error that is not the reader's says that the stream is not of the
// protocol: it breaks the connection, and [Proxy.Close] returns it.
type Splitter interface {
	Request(client *bufio.Reader) (Request, error)
	Reply(server *bufio.Reader) (Reply, error)
}

// Request is a piece of what the client says.
type Request struct {
	Bytes []byte
	Write bool // it makes the server write
	Asks  bool // with it the server owes one more reply that ends, see [Reply]
}

// Reply is a piece of what the server says. Replies end in the order in which they
// were asked for. The reply to a write is the one that the next request that asks, or
// the write itself, asks for.
type Reply struct {
	Bytes []byte
	Ends  bool // the reply is complete, and what was asked for is done
	Error bool // it is the server's error
}

// blind takes what there is.
type blind struct{}

func (blind) Request(r *bufio.Reader) (Request, error) {
	b, err := chunk(r)
	return Request{Bytes: b}, err
}

func (blind) Reply(r *bufio.Reader) (Reply, error) {
	b, err := chunk(r)
	return Reply{Bytes: b}, err
}

// chunk waits for a byte and returns it with those that came along.
func chunk(r *bufio.Reader) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	b := make([]byte, r.Buffered())
	_, err := r.Read(b)
	return b, err
}
