package memory

import (
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// session is one record. It has 96 bytes, a size that Go allocates without loss:
// with one word more it would have 112.
type session struct {
	text     string // id, then owner: one allocation and one header for both
	data     []byte // never changed, only replaced; no room after its end, or two readers could append to it and meet there
	hash     uint64 // of the id
	revision store.Revision
	deadline int64 // since Store.start

	next               *session // in its bucket of ids
	ownNext, ownBefore *session // in its bucket of owners

	place uint32 // in the heap, or gone
	idLen uint8
}

// gone is the place of a session that was removed.
const gone = 1<<32 - 1

func (x *session) id() string    { return x.text[:x.idLen] }
func (x *session) owner() string { return x.text[x.idLen:] }
func (x *session) size() int64   { return int64(len(x.text) + len(x.data)) }

func (x *session) entry(now int64) store.Entry {
	return store.Entry{
		Record:   store.Record{Data: x.data, Owner: x.owner()},
		Revision: x.revision,
		TTL:      time.Duration(x.deadline - now),
	}
}

// textOf is id and owner in memory of their own: the caller's may be a small part
// of a long header, which would be kept with it and counted nowhere.
func textOf(id, owner string) string {
	var b strings.Builder
	b.Grow(len(id) + len(owner))
	b.WriteString(id)
	b.WriteString(owner)
	return b.String()
}

// own copies data into a slice that is exactly as long as it.
func own(data []byte) []byte {
	d := make([]byte, len(data))
	copy(d, data)
	return d
}

// live returns the session under id, or why there is none. The caller holds the
// lock.
func (sh *shard) live(hash uint64, id string, now int64) (*session, error) {
	if sh.closed {
		return nil, store.ErrClosed
	}
	x := sh.ids.find(hash, id)
	if x == nil || x.deadline <= now {
		return nil, store.ErrNotFound
	}
	return x, nil
}

// add puts a session into the shard. The caller holds the lock, and has made room.
func (s *Store) add(sh *shard, x *session) {
	sh.ids.add(x)
	s.addOwned(sh, x)
	sh.heap.add(x)
}

// remove takes a session out of its shard. The caller holds the lock.
func (s *Store) remove(sh *shard, x *session) {
	sh.ids.remove(x)
	s.removeOwned(sh, x)
	sh.heap.remove(x)
	s.room.free(1, x.size())
	x.place = gone
	x.data = nil // a listing that goes on may hold x for long
	if len(sh.heap) == 0 && cap(sh.heap) > 1024 {
		sh.ids, sh.owners, sh.heap = ids{}, owners{}, nil // they do not shrink otherwise
	}
}

// tidy looks at up to so many sessions that are due, and removes those that have
// expired. It returns how many these were, and whether it saw all that are due.
// The caller holds the lock.
//
// A session is looked at once when it expires and at most once for each time that
// its life was made longer. Create has two looks and Update and Touch have one, so
// that writes by themselves keep the dead from growing in number.
func (s *Store) tidy(sh *shard, now int64, looks int) (removed int, all bool) {
	for {
		var x *session
		if x, looks = sh.heap.next(now, looks); x == nil {
			return removed, looks > 0
		}
		s.remove(sh, x)
		removed++
	}
}
