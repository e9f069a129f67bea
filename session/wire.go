package session

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// How a session is laid out in a [store.Record]: see the package documentation.
// The wire format is that of Protocol Buffers because it can be skipped through
// without being understood, so that a field of a newer version survives an older
// one.
const (
	layoutVersion = 1

	fieldVersion    = 1
	fieldBegan      = 2
	fieldValue      = 3
	fieldSeen       = 4
	fieldAuthAt     = 5
	fieldAuthBy     = 6
	fieldPersistent = 7
	fieldIdle       = 8
	fieldAbsolute   = 9
	fieldHandle     = 10
	fieldDevice     = 11
	fieldSince      = 12
	fieldForward    = 13
	// 15 is kept free for the public key of a device that the session is bound to.

	fieldKey  = 1
	fieldJSON = 2

	fieldTo      = 1
	fieldRenewed = 2
	fieldGrace   = 3
	fieldKeep    = 4

	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

func (r *record) encode() []byte {
	size := 8*(1+binary.MaxVarintLen64) + len(r.unknown) + len(r.authBy) + len(r.handle) + len(r.device) + 6
	for _, v := range r.values {
		size += valueSize(v) + 1 + binary.MaxVarintLen64
	}
	b := make([]byte, 0, size)
	b = appendVarint(b, fieldVersion, max(r.version, layoutVersion))
	b = appendVarint(b, fieldBegan, uint64(max(r.began.UnixMilli(), 0)))
	for _, v := range r.values {
		b = append(b, fieldValue<<3|wireBytes)
		b = binary.AppendUvarint(b, uint64(valueSize(v)))
		b = appendBytes(b, fieldKey, v.key)
		b = appendBytes(b, fieldJSON, v.json)
		b = append(b, v.unknown...)
	}
	b = appendTime(b, fieldSeen, r.seen)
	b = appendTime(b, fieldAuthAt, r.authAt)
	b = appendText(b, fieldAuthBy, r.authBy)
	if r.persistent {
		b = appendVarint(b, fieldPersistent, 1)
	}
	b = appendDuration(b, fieldIdle, r.idle)
	b = appendDuration(b, fieldAbsolute, r.absolute)
	b = appendText(b, fieldHandle, r.handle)
	b = appendText(b, fieldDevice, r.device)
	b = appendTime(b, fieldSince, r.since)
	if r.forward != nil {
		b = appendBytes(b, fieldForward, r.forward.encode())
	}
	return append(b, r.unknown...)
}

func (f *forward) encode() (b []byte) {
	b = appendText(b, fieldTo, f.to)
	b = appendTime(b, fieldRenewed, f.renewed)
	b = appendDuration(b, fieldGrace, f.grace)
	return appendDuration(b, fieldKeep, f.keep)
}

func appendVarint(b []byte, field byte, n uint64) []byte {
	return binary.AppendUvarint(append(b, field<<3|wireVarint), n)
}

func appendBytes[T []byte | string](b []byte, field byte, v T) []byte {
	b = binary.AppendUvarint(append(b, field<<3|wireBytes), uint64(len(v)))
	return append(b, v...)
}

// Of the following, what is zero is left out.

func appendText(b []byte, field byte, v string) []byte {
	if v == "" {
		return b
	}
	return appendBytes(b, field, v)
}

func appendTime(b []byte, field byte, t time.Time) []byte {
	if t.IsZero() || t.UnixMilli() <= 0 {
		return b
	}
	return appendVarint(b, field, uint64(t.UnixMilli()))
}

func appendDuration(b []byte, field byte, d time.Duration) []byte {
	if d <= 0 {
		return b
	}
	return appendVarint(b, field, uint64(d.Milliseconds()))
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
		known, ok := r.take(&f)
		if !ok {
			return record{}, fmt.Errorf("session: %w: field %d at byte %d does not parse", store.ErrCorrupt, f.number, len(b)-len(rest))
		}
		if !known {
			r.unknown = append(r.unknown, rest[:n]...)
		}
		rest = rest[n:]
	}
	if r.version == 0 {
		return record{}, fmt.Errorf("session: %w: it has no version, so it is not of this package's making", store.ErrCorrupt)
	}
	return r, nil
}

// take takes in a field. One that is not known, or is of another type than it was
// ever written in, is a newer version's.
func (r *record) take(f *field) (known, ok bool) {
	switch f.wire {
	case wireVarint:
		return r.takeVarint(f)
	case wireBytes:
		return r.takeBytes(f)
	}
	return false, true
}

func (r *record) takeVarint(f *field) (known, ok bool) {
	switch f.number {
	case fieldVersion:
		r.version = f.varint
	case fieldBegan:
		r.began, ok = f.time()
		return true, ok
	case fieldSeen:
		r.seen, ok = f.time()
		return true, ok
	case fieldAuthAt:
		r.authAt, ok = f.time()
		return true, ok
	case fieldSince:
		r.since, ok = f.time()
		return true, ok
	case fieldPersistent:
		r.persistent = f.varint != 0
	case fieldIdle:
		r.idle = f.duration()
	case fieldAbsolute:
		r.absolute = f.duration()
	default:
		return false, true
	}
	return true, true
}

func (r *record) takeBytes(f *field) (known, ok bool) {
	switch f.number {
	case fieldValue:
		v, ok := decodeValue(f.bytes)
		if r.values == nil {
			r.values = make([]value, 0, 4)
		}
		r.values = append(r.values, v)
		return true, ok
	case fieldAuthBy:
		r.authBy = string(f.bytes)
	case fieldHandle:
		r.handle = string(f.bytes)
	case fieldDevice:
		r.device = string(f.bytes)
	case fieldForward:
		r.forward, ok = decodeForward(f.bytes)
		return true, ok
	default:
		return false, true
	}
	return true, true
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

func decodeForward(b []byte) (w *forward, ok bool) {
	w = &forward{}
	for len(b) > 0 {
		f, n, ok := nextField(b)
		if !ok {
			return nil, false
		}
		switch {
		case f.number == fieldTo && f.wire == wireBytes:
			w.to = string(f.bytes)
		case f.number == fieldRenewed && f.wire == wireVarint:
			if w.renewed, ok = f.time(); !ok {
				return nil, false
			}
		case f.number == fieldGrace && f.wire == wireVarint:
			w.grace = f.duration()
		case f.number == fieldKeep && f.wire == wireVarint:
			w.keep = f.duration()
		}
		b = b[n:]
	}
	return w, w.to == "" || store.CheckID(w.to) == nil
}

// field is one field of a message.
type field struct {
	number uint64
	wire   uint64
	varint uint64
	bytes  []byte // never nil for wireBytes
}

// time is a number of milliseconds since 1970.
func (f *field) time() (t time.Time, ok bool) {
	if f.varint > math.MaxInt64/2 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(f.varint)), true
}

// duration is a number of milliseconds, of which more than browsers keep a cookie
// for are as good as that.
func (f *field) duration() time.Duration {
	return time.Duration(min(f.varint, uint64(maxLife/time.Millisecond))) * time.Millisecond
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
