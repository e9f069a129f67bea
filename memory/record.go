package memory

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// session is one record. Its data is never changed, only replaced.
type session struct {
	id       string
	data     []byte
	owner    string
	revision store.Revision
	deadline int64 // since Store.start
	place    int   // in the heap
}

func (x *session) entry(now int64) store.Entry {
	return store.Entry{
		Record:   store.Record{Data: x.data, Owner: x.owner},
		Revision: x.revision,
		TTL:      time.Duration(x.deadline - now),
	}
}

func (x *session) size(id string) int64 { return int64(len(id) + len(x.data) + len(x.owner)) }

// live returns the session under id, or why there is none. The caller holds the
// lock.
func (sh *shard) live(id string, now int64) (*session, error) {
	if sh.sessions == nil {
		return nil, store.ErrClosed
	}
	x := sh.sessions[id]
	if x == nil || x.deadline <= now {
		return nil, store.ErrNotFound
	}
	return x, nil
}

func (sh *shard) add(x *session) {
	sh.sessions[x.id] = x
	sh.own(x)
	x.place = len(sh.heap)
	sh.heap = append(sh.heap, x)
	sh.up(x.place)
}

// remove takes a session out of its shard. The caller holds the lock.
func (s *Store) remove(sh *shard, x *session) {
	delete(sh.sessions, x.id)
	sh.disown(x)
	last := len(sh.heap) - 1
	place := x.place
	sh.swap(place, last)
	sh.heap[last] = nil
	sh.heap = sh.heap[:last]
	if place < last {
		sh.fix(place)
	}
	s.reserve(-1, -x.size(x.id))
}

// removeExpired removes up to most expired sessions, and returns how many. The
// caller holds the lock.
func (s *Store) removeExpired(sh *shard, now int64, most int) int {
	n := 0
	for n < most && len(sh.heap) > 0 && sh.heap[0].deadline <= now {
		s.remove(sh, sh.heap[0])
		n++
	}
	return n
}

func (sh *shard) own(x *session) {
	if x.owner == "" {
		return
	}
	ids := sh.owners[x.owner]
	if ids == nil {
		ids = map[string]*session{}
		sh.owners[x.owner] = ids
	}
	ids[x.id] = x
}

func (sh *shard) disown(x *session) {
	if x.owner == "" {
		return
	}
	ids := sh.owners[x.owner]
	delete(ids, x.id)
	if len(ids) == 0 {
		delete(sh.owners, x.owner)
	}
}

// expire gives x a new deadline, and its place in the heap.
func (sh *shard) expire(x *session, deadline int64) {
	x.deadline = deadline
	sh.fix(x.place)
}

func (sh *shard) fix(i int) {
	sh.up(i)
	sh.down(i)
}

func (sh *shard) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if sh.heap[parent].deadline <= sh.heap[i].deadline {
			return
		}
		sh.swap(i, parent)
		i = parent
	}
}

func (sh *shard) down(i int) {
	for {
		first := 2*i + 1
		if first >= len(sh.heap) {
			return
		}
		if right := first + 1; right < len(sh.heap) && sh.heap[right].deadline < sh.heap[first].deadline {
			first = right
		}
		if sh.heap[i].deadline <= sh.heap[first].deadline {
			return
		}
		sh.swap(i, first)
		i = first
	}
}

func (sh *shard) swap(i, j int) {
	h := sh.heap
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
