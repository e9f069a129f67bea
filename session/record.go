package session

import (
	"slices"
	"time"
)

// record is a session's content. What decode returns shares the bytes that it was
// given, which nobody changes (LOAD-6).
type record struct {
	version uint64 // of the package that wrote it first, if newer than this one
	began   time.Time
	seen    time.Time // when it was last written
	meta
	values  []value
	forward *forward // not nil: there is no session here, or not any more
	unknown []byte   // fields of a newer version, as they were
	skewed  bool     // it had begun in the future, which is put right with the next save
}

// meta is what a session has beside its values.
type meta struct {
	owner      string    // kept beside the record by the store
	since      time.Time // it is this owner's
	handle     string    // what the owner calls the session by, see [Info]
	authAt     time.Time
	authBy     string
	device     string
	persistent bool
	idle       time.Duration // 0 is the manager's
	absolute   time.Duration // 0 is the manager's
}

type value struct {
	key     []byte
	json    []byte
	unknown []byte // as in record
}

// forward is what a renewal leaves under the old id. For a grace period that id is
// answered as the new one; afterwards it is known as one that nobody should have
// any more.
type forward struct {
	to      string        // the store's id of the session; "" if it has ended
	renewed time.Time     // by the clock of who did it
	grace   time.Duration // 0: the old id was worth nothing at once
	keep    time.Duration // what the store keeps the forward for after the grace
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

// size is how many bytes keys and values have.
func (r *record) size() (n int) {
	for i := range r.values {
		n += len(r.values[i].key) + len(r.values[i].json)
	}
	return n
}
