package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Postgres is the wire protocol of PostgreSQL, version 3. A write is the execution of
// a statement whose first word is INSERT, UPDATE, DELETE or WITH, and its reply ends
// with ReadyForQuery: by then a statement on its own is committed.
//
// https://www.postgresql.org/docs/current/protocol-message-formats.html
func Postgres() Splitter {
	return &postgres{starting: true, statements: map[string]bool{}, portals: map[string]bool{}}
}

type postgres struct {
	// Of the client's stream.
	starting            bool            // no session yet: packets have no letter
	statements, portals map[string]bool // by name: does it write?

	mu        sync.Mutex
	wants     bool // encryption was asked for: the answer is a byte
	encrypted bool
}

// What the first packets of a client can be, besides the version of the protocol.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
	gssRequest    = 80877104

	tlsHandshake = 22 // the first byte of TLS without an SSLRequest
)

func (s *postgres) Request(r *bufio.Reader) (Request, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Request{}, err
	}
	s.mu.Lock()
	if s.starting && first[0] == tlsHandshake {
		s.encrypted = true
	}
	encrypted := s.encrypted
	s.mu.Unlock()
	switch {
	case encrypted:
		return blind{}.Request(r)
	case s.starting:
		return s.startup(r)
	}
	frame, err := packet(r, 1)
	q := Request{Bytes: frame}
	if err == nil {
		q.Write, q.Asks = s.judge(frame[0], frame[5:])
	}
	return q, err
}

// startup reads a packet of a client that has no session yet.
func (s *postgres) startup(r *bufio.Reader) (Request, error) {
	frame, err := packet(r, 0)
	q := Request{Bytes: frame}
	if err != nil {
		return q, err
	}
	if len(frame) < 8 {
		return q, fmt.Errorf("postgres: a first packet of %d bytes", len(frame))
	}
	switch binary.BigEndian.Uint32(frame[4:]) {
	case sslRequest, gssRequest:
		s.mu.Lock()
		s.wants = true
		s.mu.Unlock()
	case cancelRequest: // the server answers by closing
	default:
		s.starting = false
		q.Asks = true
	}
	return q, nil
}

// judge says what a message makes the server do.
func (s *postgres) judge(kind byte, body []byte) (write, asks bool) {
	switch kind {
	case 'P': // Parse: statement, query
		name, rest := text(body)
		query, _ := text(rest)
		s.statements[name] = writes(query)
	case 'B': // Bind: portal, statement
		portal, rest := text(body)
		name, _ := text(rest)
		s.portals[portal] = s.statements[name]
	case 'E': // Execute: portal
		portal, _ := text(body)
		return s.portals[portal], false
	case 'Q': // Query
		query, _ := text(body)
		return writes(query), true
	case 'S', 'F': // Sync, FunctionCall
		return false, true
	}
	return false, false
}

func (s *postgres) Reply(r *bufio.Reader) (Reply, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Reply{}, err
	}
	s.mu.Lock()
	encrypted, wants := s.encrypted, s.wants && first[0] != 'E' // a server that knows nothing of it
	s.wants = false
	if wants && first[0] != 'N' {
		s.encrypted = true // from the next byte on
	}
	s.mu.Unlock()
	switch {
	case encrypted:
		return blind{}.Reply(r)
	case wants:
		b, err := r.ReadByte()
		return Reply{Bytes: []byte{b}}, err
	}
	frame, err := packet(r, 1)
	a := Reply{Bytes: frame}
	if err == nil {
		a.Ends, a.Error = frame[0] == 'Z', frame[0] == 'E' // ReadyForQuery, ErrorResponse
	}
	return a, err
}

// writes reports whether a query makes the server write.
func writes(query string) bool {
	words := strings.FieldsFunc(query, func(r rune) bool { return r <= ' ' || r == '(' || r == ';' })
	if len(words) == 0 {
		return false
	}
	switch strings.ToUpper(words[0]) {
	case "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

func text(b []byte) (string, []byte) {
	s, rest, _ := bytes.Cut(b, []byte{0})
	return string(s), rest
}

// longest is what the server takes, in bytes.
const longest = 1 << 30

// packet reads a length that counts itself and what belongs to it, with so many
// letters before it.
func packet(r *bufio.Reader, letters int) ([]byte, error) {
	frame := make([]byte, letters+4)
	if n, err := io.ReadFull(r, frame); err != nil {
		return frame[:n], err
	}
	size := binary.BigEndian.Uint32(frame[letters:])
	if size < 4 || size > longest {
		return frame, fmt.Errorf("postgres: a message of %d bytes", size)
	}
	frame = append(frame, make([]byte, size-4)...)
	n, err := io.ReadFull(r, frame[letters+4:])
	return frame[:letters+4+n], err
}
