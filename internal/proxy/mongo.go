package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

// Mongo is the wire protocol of MongoDB. A write is a command that may write, told by its
// name: an aggregation with $out or $merge is none here, and neither is commitTransaction.
// A write that is not to be acknowledged is not answered, so that LoseReply takes the reply
// to what comes next.
//
// A server that streams its replies has answered with the last. An error is also the answer
// to a write that failed, or did not meet its write concern, but what failed in a bulkWrite
// is in its cursor, and not seen.
//
// Nobody looks into a compressed message: it asks, or ends, and is neither write nor error.
//
// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
func Mongo() Splitter { return &mongo{} }

type mongo struct {
	begun     bool // the client's stream
	encrypted atomic.Bool
}

// The kinds of a message.
const (
	opReply      = 1
	opQuery      = 2004 // a driver's first hello
	opCompressed = 2012
	opMsg        = 2013
)

// Flags of an OP_MSG.
const (
	checksumPresent = 1 << 0
	moreToCome      = 1 << 1
)

func (s *mongo) Request(r *bufio.Reader) (Request, error) {
	if s.encrypted.Load() {
		return blind{}.Request(r)
	}
	var m message
	err := m.header(r)
	if err == nil && !s.begun && m.encrypted() {
		s.encrypted.Store(true)
		return Request{Bytes: m.Bytes()}, nil
	}
	s.begun = true
	if err == nil {
		err = m.rest(r, opMsg, opQuery, opCompressed)
	}
	q := Request{Bytes: m.Bytes()}
	if err != nil || m.op != opMsg {
		q.Asks = err == nil
		return q, err
	}
	flags, body, err := m.body()
	if err == nil {
		q.Write = len(body) > 0 && mongoWrites[body[0].key]
		q.Asks = flags&moreToCome == 0
	}
	return q, err
}

// mongoWrites are the commands that may write. What is missed here does not strike, as in
// redisWrites.
var mongoWrites = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		insert update delete findAndModify findandmodify bulkWrite
		create createIndexes drop dropIndexes deleteIndexes dropDatabase renameCollection collMod`) {
		m[name] = true
	}
	return m
}()

func (s *mongo) Reply(r *bufio.Reader) (Reply, error) {
	if _, err := r.Peek(1); err != nil {
		return Reply{}, err
	}
	if s.encrypted.Load() {
		return blind{}.Reply(r)
	}
	var m message
	err := m.header(r)
	if err == nil {
		err = m.rest(r, opMsg, opReply, opCompressed)
	}
	a := Reply{Bytes: m.Bytes()}
	if err != nil || m.op == opCompressed {
		a.Ends = err == nil
		return a, err
	}
	flags, body, err := m.body()
	if err == nil {
		a.Error, err = failed(body)
		a.Ends = err == nil && flags&moreToCome == 0
	}
	return a, err
}

// duplicateKey is the code of an error that the best of clients meets in its daily work: it
// creates what is there.
const duplicateKey = 11000

// failed reports whether a body is the server's error.
func failed(body []element) (bool, error) {
	ok, code := 0.0, 0.0
	for _, e := range body {
		switch {
		case e.key == "ok":
			ok = e.number()
		case e.key == "code":
			code = e.number()
		case e.key == "writeConcernError" && e.kind == document:
			return true, nil
		case e.key == "writeErrors" && e.kind == array:
			list, _, err := elements(e.value)
			if err != nil {
				return false, err
			}
			for _, e := range list {
				fields, _, err := elements(e.value)
				if err != nil {
					return false, err
				}
				if !slices.ContainsFunc(fields, func(e element) bool { return e.key == "code" && e.number() == duplicateKey }) {
					return true, nil
				}
			}
		}
	}
	return ok != 1 && code != duplicateKey, nil
}

// message is one as it comes. Memory is taken for what has come, not for what a length
// announces.
type message struct {
	bytes.Buffer
	op uint32
}

const (
	headerSize = 16
	largest    = 48_000_000 + 16<<10 // what the server takes, and a little, in bytes
)

func (m *message) header(r *bufio.Reader) error {
	_, err := io.CopyN(m, r, headerSize)
	return err
}

// encrypted reports whether it is TLS that begins here. The first byte alone may be that of
// a length, but then it is one of more than 64 KB, and no client says hello at such length.
func (m *message) encrypted() bool {
	b := m.Bytes()
	return b[0] == tlsHandshake && b[1] == 3 && b[2] > 0
}

// rest reads what follows a header, if it is that of a message of one of these kinds.
func (m *message) rest(r *bufio.Reader, ops ...uint32) error {
	size := binary.LittleEndian.Uint32(m.Bytes())
	if size < headerSize || size > largest {
		return fmt.Errorf("mongo: a message of %d bytes", size)
	}
	m.op = binary.LittleEndian.Uint32(m.Bytes()[12:])
	if !slices.Contains(ops, m.op) {
		return fmt.Errorf("mongo: a message of kind %d", m.op)
	}
	_, err := io.CopyN(m, r, int64(size)-headerSize)
	return err
}

var errBody = errors.New("mongo: a message with a malformed body")

// body returns the flags of an OP_MSG, and what the document holds that is the command or
// the answer to one.
func (m *message) body() (flags uint32, body []element, err error) {
	b := m.Bytes()[headerSize:]
	if m.op == opReply {
		if len(b) < 20 { // flags, a cursor and two numbers
			return 0, nil, errBody
		}
		body, _, err = elements(b[20:])
		return 0, body, err
	}
	if len(b) < 4 {
		return 0, nil, errBody
	}
	flags, b = binary.LittleEndian.Uint32(b), b[4:]
	if flags&checksumPresent != 0 {
		if len(b) < 4 {
			return 0, nil, errBody
		}
		b = b[:len(b)-4]
	}
	bodies := 0
	for len(b) > 0 {
		kind, section := b[0], b[1:]
		switch n := width(document, section); {
		case n < 0 || n > len(section) || kind > 1:
			return 0, nil, errBody
		case kind == 0:
			if body, b, err = elements(section); err != nil {
				return 0, nil, err
			}
			bodies++
		default: // documents that belong to the command
			b = section[n:]
		}
	}
	if bodies != 1 {
		return 0, nil, errBody
	}
	return flags, body, nil
}

// element is one of a document in BSON.
type element struct {
	kind  byte
	key   string
	value []byte
}

// The kinds of an element that matter here.
const (
	double   = 0x01
	document = 0x03
	array    = 0x04
	boolean  = 0x08
	regex    = 0x0b
	int32s   = 0x10
	int64s   = 0x12
)

// elements returns what a document holds, and what comes after it.
func elements(b []byte) (all []element, rest []byte, err error) {
	n := width(document, b)
	if n < 0 || n > len(b) || b[n-1] != 0 {
		return nil, nil, errBody
	}
	inner, rest := b[4:n-1], b[n:]
	for len(inner) > 0 {
		key, value, ok := bytes.Cut(inner[1:], []byte{0})
		n := width(inner[0], value)
		if !ok || n < 0 || n > len(value) {
			return nil, nil, errBody
		}
		all = append(all, element{kind: inner[0], key: string(key), value: value[:n]})
		inner = value[n:]
	}
	return all, rest, nil
}

// width returns how many bytes a value has that begins here, or -1. There may be fewer.
func width(kind byte, b []byte) int {
	switch kind {
	case 0x06, 0x0a, 0x7f, 0xff: // undefined, null, and the ends of the order
		return 0
	case boolean:
		return 1
	case int32s:
		return 4
	case double, int64s, 0x09, 0x11: // date, timestamp
		return 8
	case 0x07: // object id
		return 12
	case 0x13: // decimal
		return 16
	case regex: // two strings that end with a zero
		_, options, _ := bytes.Cut(b, []byte{0})
		_, rest, ok := bytes.Cut(options, []byte{0})
		if !ok {
			return -1
		}
		return len(b) - len(rest)
	}
	l, ok := lengths[kind]
	if !ok || len(b) < 4 {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < l.least {
		return -1
	}
	return n + l.more
}

// lengths are the kinds that begin with a length: the least that it is, and how many bytes
// the value has more than it says.
var lengths = map[byte]struct{ least, more int }{
	0x02:     {1, 4}, // string
	document: {5, 0},
	array:    {5, 0},
	0x05:     {0, 5},  // binary
	0x0c:     {1, 16}, // pointer
	0x0d:     {1, 4},  // code
	0x0e:     {1, 4},  // symbol
	0x0f:     {14, 0}, // code with its scope
}

// number returns the value, if it is one.
func (e *element) number() float64 {
	switch e.kind {
	case double:
		return math.Float64frombits(binary.LittleEndian.Uint64(e.value))
	case boolean:
		return float64(e.value[0])
	case int32s:
		return float64(int32(binary.LittleEndian.Uint32(e.value)))
	case int64s:
		return float64(int64(binary.LittleEndian.Uint64(e.value)))
	}
	return 0
}
