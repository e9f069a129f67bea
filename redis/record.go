package redis

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// layout is how sessions are laid out in a server: the names of keys, and what a value
// holds. Nothing but a layout knows either, its scripts included. Another layout is
// another value of this type.
//
// Every key has a tag in braces, by which a cluster chooses the key's slot. A session
// and the index of its owner have the same one, so that one script reaches both.
type layout struct {
	session func(prefix, tag, id string) string    // the key of a session
	index   func(prefix, tag, owner string) string // the key of an owner's index, see own
	pattern func(prefix string) string             // SCAN's, of all sessions
	id      func(prefix, key string) (string, bool)

	revise func(store.Record) store.Revision // the revision that a write of the record makes
	encode func(store.Record, store.Revision) []byte
	decode func(value []byte) (store.Record, store.Revision, error)

	create *script // see ownCreate for what each of them takes and returns
	update *script
	touch  *script
	remove *script
	load   *script
}

// own is the layout of ours. A session is a string:
//
//	prefix{tag}s:id   format (1 byte) | revision (8) | length of the owner (1) | owner | data
//
// An index is a sorted set of the ids of one owner's sessions that have the tag, by
// their deadlines, in milliseconds of the server's clock:
//
//	prefix{tag}o:owner
var own = layout{
	session: func(prefix, tag, id string) string { return prefix + "{" + tag + "}s:" + id },
	index:   func(prefix, tag, owner string) string { return prefix + "{" + tag + "}o:" + owner },
	pattern: func(prefix string) string { return prefix + "{" + strings.Repeat("?", tagDigits) + "}s:*" },
	id:      sessionID,

	revise: func(store.Record) store.Revision { return store.NewRevision() },
	encode: encode,
	decode: decode,

	create: newScript(ownCreate),
	update: newScript(ownUpdate),
	touch:  newScript(ownTouch),
	remove: newScript(ownRemove),
	load:   newScript(ownLoad),
}

// precision is that of the server's times.
const precision = time.Millisecond

const (
	format = 1                      // of the value: a reader refuses those that it does not know
	fixed  = 1 + 8 + 1              // bytes before the owner
	header = fixed + store.MaxOwner // bytes that hold all but the data
)

func encode(rec store.Record, v store.Revision) []byte {
	b := make([]byte, 0, fixed+len(rec.Owner)+len(rec.Data))
	b = append(b, format)
	b = binary.BigEndian.AppendUint64(b, uint64(v))
	b = append(b, byte(len(rec.Owner)))
	b = append(b, rec.Owner...)
	return append(b, rec.Data...)
}

// decode reads a value, or the first bytes of one, of which the data is then cut off.
func decode(value []byte) (store.Record, store.Revision, error) {
	if len(value) < fixed || value[0] != format || len(value) < fixed+int(value[fixed-1]) {
		return store.Record{}, 0, store.ErrCorrupt
	}
	v := store.Revision(binary.BigEndian.Uint64(value[1:]))
	end := fixed + int(value[fixed-1])
	rec := store.Record{Owner: string(value[fixed:end]), Data: value[end:len(value):len(value)]}
	if v == 0 || store.CheckOwner(rec.Owner) != nil {
		return store.Record{}, 0, store.ErrCorrupt
	}
	return rec, v, nil
}

// bits are those of a revision as scripts compare them.
func bits(v store.Revision) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// entry is what a value and its PTTL make.
func (l *layout) entry(value []byte, left int64) (store.Entry, error) {
	rec, v, err := l.decode(value)
	switch {
	case left == -2: // it ended between the two
		return store.Entry{}, store.ErrNotFound
	case err != nil:
		return store.Entry{}, err
	case left < 0: // somebody took its end away
		return store.Entry{}, store.ErrCorrupt
	}
	return store.Entry{Record: rec, Revision: v, TTL: max(millis(left), precision)}, nil
}

// millis is a duration that the server told, which may be longer than a Duration can be.
func millis(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// lifetime is a ttl in milliseconds. The server's clock is as coarse as the deadlines, so
// that a life which begins late in a tick needs one more.
func lifetime(ttl time.Duration) int64 {
	return int64(store.RoundUp(ttl, precision)/precision) + 1
}

// tagDigits are those of a tag, always so many: an owner may be called }s: and more,
// and the key of its index must not look like that of a session.
const tagDigits = 3

// maxSlots is how many tags there can be.
const maxSlots = 1 << (4 * tagDigits)

// tag returns the n-th tag.
func tag(n int) string { return fmt.Sprintf("%0*x", tagDigits, n) }

// tagOf is the number of the tag that an id has, of so many: FNV-1a of the id. What is
// stored depends on it.
func tagOf(id string, slots int) int {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % uint32(slots))
}

// sessionID returns the id of the session that has the key.
func sessionID(prefix, key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, prefix+"{")
	if !ok || len(rest) < tagDigits {
		return "", false
	}
	id, ok := strings.CutPrefix(rest[tagDigits:], "}s:")
	return id, ok && store.CheckID(id) == nil
}
