package memory

import (
	"hash/maphash"
	"math/bits"
)

// The two indexes of a shard are hash tables whose chains go through the sessions
// themselves: 9 bytes for a session, where Go's map takes 25 to 55. They grow by
// linear hashing (Litwin 1980), one bucket with each session: there is never a
// moment in which everything is moved.

// bucket returns the place of a hash among n buckets, n over 0: as many of its low
// bits as n has, or one less where that is not yet a bucket. The lowest bits chose
// the shard and are the same for all of its sessions.
func bucket(hash uint64, n int) int {
	mask := uint64(1)<<bits.Len(uint(n-1)) - 1
	i := hash / shardCount & mask
	if i >= uint64(n) {
		i &= mask >> 1
	}
	return int(i)
}

// parent returns the bucket of which bucket n, the new last one, takes a part.
func parent(n int) int { return n &^ (1 << (bits.Len(uint(n)) - 1)) }

// ids finds a session by its id.
type ids struct {
	buckets []*session // linked by next
	n       int
}

func (t *ids) find(hash uint64, id string) *session {
	if len(t.buckets) == 0 {
		return nil
	}
	x := t.buckets[bucket(hash, len(t.buckets))]
	for x != nil && (x.hash != hash || x.id() != id) {
		x = x.next
	}
	return x
}

func (t *ids) add(x *session) {
	if t.n++; t.n > len(t.buckets) {
		t.grow()
	}
	head := &t.buckets[bucket(x.hash, len(t.buckets))]
	x.next, *head = *head, x
}

func (t *ids) grow() {
	last := len(t.buckets)
	t.buckets = append(t.buckets, nil)
	if last == 0 {
		return
	}
	for at := &t.buckets[parent(last)]; *at != nil; {
		x := *at
		if bucket(x.hash, last+1) != last {
			at = &x.next
			continue
		}
		*at = x.next
		x.next, t.buckets[last] = t.buckets[last], x
	}
}

func (t *ids) remove(x *session) {
	at := &t.buckets[bucket(x.hash, len(t.buckets))]
	for *at != x {
		at = &(*at).next
	}
	*at, x.next = x.next, nil
	t.n--
}

// owners finds the sessions of an owner. A bucket holds all sessions of some
// owners, so its chain may be long and is linked in both directions.
type owners struct {
	buckets []*session // linked by ownNext and ownBefore
	n       int
}

// first returns the first session of the bucket that holds those of the owner.
func (s *Store) firstOwned(sh *shard, owner string) *session {
	if t := &sh.owners; len(t.buckets) > 0 {
		return t.buckets[s.ownerBucket(owner, len(t.buckets))]
	}
	return nil
}

func (s *Store) ownerBucket(owner string, n int) int { return bucket(maphash.String(s.seed, owner), n) }

// addOwned lists x under its owner, if it has one.
func (s *Store) addOwned(sh *shard, x *session) {
	if x.owner() == "" {
		return
	}
	t := &sh.owners
	if t.n++; t.n > len(t.buckets) {
		s.growOwners(t)
	}
	t.push(x, s.ownerBucket(x.owner(), len(t.buckets)))
}

func (s *Store) growOwners(t *owners) {
	last := len(t.buckets)
	t.buckets = append(t.buckets, nil)
	if last == 0 {
		return
	}
	from := parent(last)
	for x := t.buckets[from]; x != nil; {
		next := x.ownNext
		if s.ownerBucket(x.owner(), last+1) == last {
			t.pull(x, from)
			t.push(x, last)
		}
		x = next
	}
}

// removeOwned is the contrary of addOwned.
func (s *Store) removeOwned(sh *shard, x *session) {
	if x.owner() == "" {
		return
	}
	t := &sh.owners
	t.pull(x, s.ownerBucket(x.owner(), len(t.buckets)))
	t.n--
}

func (t *owners) push(x *session, i int) {
	if x.ownNext = t.buckets[i]; x.ownNext != nil {
		x.ownNext.ownBefore = x
	}
	t.buckets[i] = x
}

func (t *owners) pull(x *session, i int) {
	if x.ownBefore == nil {
		t.buckets[i] = x.ownNext
	} else {
		x.ownBefore.ownNext = x.ownNext
	}
	if x.ownNext != nil {
		x.ownNext.ownBefore = x.ownBefore
	}
	x.ownNext, x.ownBefore = nil, nil
}
