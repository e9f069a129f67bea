package session

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// How a session is laid out in a [store.Record]: see the package documentation.
// The wire format is that of Protocol Buffers because it can be skipped through
// without being understood, so that a field of a newer version survives an older
// one.
const (
	layoutVersion = 1

	fieldVersion = 1
	fieldBegan   = 2
	fieldValue   = 3

	fieldKey  = 1
	fieldJSON = 2

	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// record is a session's content. What decode returns shares the bytes that it was
// given, which nobody changes (LOAD-6).
type record struct {
	version uint64 // of the package that wrote it first, if newer than this one
	began   time.Time
	values  []value
	unknown []byte // fields of a newer version, as they were
}

type value struct {
	key     []byte
	json    []byte
	unknown []byte // as in record
}

// find returns the place of a key, or -1.
func (r *record) find(key string) int {
	for i := range r.values {
		if string(r.values[i].key) == key {
			return i
		}
	}
	return -1
}

// get returns the JSON under key, nil if there is none.
func (r *record) get(key string) []byte {
	if i := r.find(key); i >= 0 {
		return r.values[i].json
	}
	return nil
}

// set puts JSON under key; nil takes the key away.
func (r *record) set(key string, json []byte) {
	i := r.find(key)
	switch {
	case i < 0 && json != nil:
		r.values = append(r.values, value{key: []byte(key), json: json})
	case i >= 0 && json != nil:
		r.values[i].json = json
	case i >= 0:
		r.values = slices.Delete(r.values, i, i+1)
	}
}

// clone returns a record whose values can be set without changing r.
func (r *record) clone() record {
	c := *r
	c.values = slices.Clone(r.values)
	return c
}

func (r *record) encode() []byte {
	size := 2*(1+binary.MaxVarintLen64) + len(r.unknown)
	for _, v := range r.values {
		size += valueSize(v) + 1 + binary.MaxVarintLen64
	}
	b := make([]byte, 0, size)
	b = append(b, fieldVersion<<3|wireVarint)
	b = binary.AppendUvarint(b, max(r.version, layoutVersion))
	b = append(b, fieldBegan<<3|wireVarint)
	b = binary.AppendUvarint(b, uint64(max(r.began.UnixMilli(), 0)))
	for _, v := range r.values {
		b = append(b, fieldValue<<3|wireBytes)
		b = binary.AppendUvarint(b, uint64(valueSize(v)))
		b = append(b, fieldKey<<3|wireBytes)
		b = binary.AppendUvarint(b, uint64(len(v.key)))
		b = append(b, v.key...)
		b = append(b, fieldJSON<<3|wireBytes)
		b = binary.AppendUvarint(b, uint64(len(v.json)))
		b = append(b, v.json...)
		b = append(b, v.unknown...)
	}
	return append(b, r.unknown...)
}

func valueSize(v value) int {
	return 2 + varint(len(v.key)) + len(v.key) + varint(len(v.json)) + len(v.json) + len(v.unknown)
}

// varint is how many bytes a length takes.
func varint(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// decode reads a record. An error wraps [store.ErrCorrupt] and holds nothing of
// the bytes.
func decode(b []byte) (record, error) {
	r := record{began: time.UnixMilli(0)} // the default of a field that is not there
	for rest := b; len(rest) > 0; {
		f, n, ok := nextField(rest)
		if !ok {
			return record{}, fmt.Errorf("session: %w: it does not parse at byte %d", store.ErrCorrupt, len(b)-len(rest))
		}
		switch {
		case f.number == fieldVersion && f.wire == wireVarint:
			r.version = f.varint
		case f.number == fieldBegan && f.wire == wireVarint:
			if f.varint > math.MaxInt64/2 {
				return record{}, fmt.Errorf("session: %w: it began at no time that there is", store.ErrCorrupt)
			}
			r.began = time.UnixMilli(int64(f.varint))
		case f.number == fieldValue && f.wire == wireBytes:
			v, ok := decodeValue(f.bytes)
			if !ok {
				return record{}, fmt.Errorf("session: %w: the value at byte %d does not parse", store.ErrCorrupt, len(b)-len(rest))
			}
			if r.values == nil {
				r.values = make([]value, 0, 4)
			}
			r.values = append(r.values, v)
		default:
			r.unknown = append(r.unknown, rest[:n]...)
		}
		rest = rest[n:]
	}
	if r.version == 0 {
		return record{}, fmt.Errorf("session: %w: it has no version, so it is not of this package's making", store.ErrCorrupt)
	}
	return r, nil
}

func decodeValue(b []byte) (v value, ok bool) {
	for len(b) > 0 {
		f, n, ok := nextField(b)
		if !ok {
			return value{}, false
		}
		switch {
		case f.number == fieldKey && f.wire == wireBytes:
			v.key = f.bytes
		case f.number == fieldJSON && f.wire == wireBytes:
			v.json = f.bytes
		default:
			v.unknown = append(v.unknown, b[:n]...)
		}
		b = b[n:]
	}
	return v, v.key != nil && v.json != nil
}

// field is one field of a message.
type field struct {
	number uint64
	wire   uint64
	varint uint64
	bytes  []byte // never nil for wireBytes
}

// nextField reads the field at the beginning of b, and returns how long it is.
func nextField(b []byte) (f field, n int, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
		return field{}, 0, false
	}
	f.number, f.wire = tag>>3, tag&7
	switch f.wire {
	case wireVarint:
		v, m := binary.Uvarint(b[n:])
		if m <= 0 {
			return field{}, 0, false
		}
		f.varint = v
		return f, n + m, true
	case wire64:
		return f, n + 8, len(b) >= n+8
	case wire32:
		return f, n + 4, len(b) >= n+4
	case wireBytes:
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return field{}, 0, false
		}
		n += m
		f.bytes = b[n : n+int(size) : n+int(size)]
		return f, n + int(size), true
	}
	return field{}, 0, false
}
