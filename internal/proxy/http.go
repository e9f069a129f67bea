package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// httpMessage reads one message of HTTP/1.1, and keeps the bytes. Memory is taken for what
// has come, not for what a length announces.
type httpMessage struct {
	bytes.Buffer
	r       *bufio.Reader
	content []byte // the body, without the sizes of its chunks
}

// request reads the head of a request.
func (m *httpMessage) request() (*http.Request, error) {
	err := m.head(
		func(first byte) bool { return 'A' <= first && first <= 'Z' },
		func(line string) bool {
			return strings.HasSuffix(line, " HTTP/1.1") || strings.HasSuffix(line, " HTTP/1.0")
		},
	)
	if err != nil {
		return nil, err
	}
	q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(m.Bytes())))
	return q, malformed(err)
}

// response reads the head of a response, to a request that may not be known.
func (m *httpMessage) response(to *http.Request) (*http.Response, error) {
	err := m.head(
		func(first byte) bool { return first == 'H' },
		func(line string) bool {
			return strings.HasPrefix(line, "HTTP/1.1 ") || strings.HasPrefix(line, "HTTP/1.0 ")
		},
	)
	if err != nil {
		return nil, err
	}
	a, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(m.Bytes())), to)
	return a, malformed(err)
}

// malformed says of net/http's error whose it is.
func malformed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("http: %w", err)
}

// head reads up to the empty line. What is not HTTP is to be known by its first byte, or by
// its first line: the rest may never come.
func (m *httpMessage) head(begins func(first byte) bool, opens func(line string) bool) error {
	first, err := m.r.Peek(1)
	if err != nil {
		return err
	}
	if !begins(first[0]) {
		return fmt.Errorf("http: a message that begins with %q", first)
	}
	for {
		line, err := m.line()
		switch {
		case err != nil:
			return err
		case m.Len() == len(line)+2 && !opens(line):
			return fmt.Errorf("http: a first line %.40q", line)
		case line == "":
			return nil
		case m.Len() > 1<<20:
			return errors.New("http: a head of more than 1 MiB")
		}
	}
}

// body reads what follows a head that says so: chunks, so many bytes, or, where size is -1,
// what comes until the connection ends.
func (m *httpMessage) body(encoding []string, size int64) error {
	start := m.Len()
	switch {
	case len(encoding) > 0: // chunked: nothing else is read by the head
		return m.chunks()
	case size > longest:
		return fmt.Errorf("http: a body of %d bytes", size)
	case size >= 0:
		if _, err := io.CopyN(m, m.r, size); err != nil {
			return err
		}
	default:
		n, err := io.Copy(m, io.LimitReader(m.r, longest+1))
		if err == nil && n > longest {
			err = fmt.Errorf("http: a body of more than %d bytes", longest)
		}
		if err != nil {
			return err
		}
	}
	m.content = m.Bytes()[start:]
	return nil
}

// chunks reads a body of chunks, and what follows the last one.
func (m *httpMessage) chunks() error {
	for {
		line, err := m.line()
		if err != nil {
			return err
		}
		digits, _, _ := strings.Cut(line, ";") // of an extension
		size, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 31)
		if err != nil || int64(size)+int64(m.Len()) > longest {
			return fmt.Errorf("http: a chunk of size %.20q after %d bytes", digits, m.Len())
		}
		if size == 0 {
			return m.trailer()
		}
		start := m.Len()
		if _, err := io.CopyN(m, m.r, int64(size)+2); err != nil {
			return err
		}
		data, ok := bytes.CutSuffix(m.Bytes()[start:], []byte("\r\n"))
		if !ok {
			return fmt.Errorf("http: a chunk that does not end after %d bytes", size)
		}
		m.content = append(m.content, data...)
	}
}

func (m *httpMessage) trailer() error {
	for start := m.Len(); ; {
		line, err := m.line()
		switch {
		case err != nil:
			return err
		case line == "":
			return nil
		case m.Len()-start > 1<<20:
			return errors.New("http: a trailer of more than 1 MiB")
		}
	}
}

// line reads a line, and returns it without its end.
func (m *httpMessage) line() (string, error) {
	start := m.Len()
	for {
		part, err := m.r.ReadSlice('\n')
		m.Write(part)
		if err != nil && err != bufio.ErrBufferFull {
			return "", err
		}
		if m.Len()-start > 1<<20 {
			return "", errors.New("http: a line of more than 1 MiB")
		}
		if err == nil {
			break
		}
	}
	line, ok := bytes.CutSuffix(m.Bytes()[start:], []byte("\r\n"))
	if !ok {
		return "", errors.New("http: a line without its CR")
	}
	return string(line), nil
}
