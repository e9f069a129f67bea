package memory

import "sync"

// room counts what is there against the store's limits. Without limits it counts
// nothing, and nobody waits for it. Both counters change in one step: a newcomer
// refused for its bytes must not, for a moment, take another's place.
type room struct {
	maxSessions, maxBytes int64 // 0 is no limit

	mu       sync.Mutex
	sessions int64 // physically there
	bytes    int64 // of their ids, owners and data
}

func (r *room) limited() bool { return r.maxSessions > 0 || r.maxBytes > 0 }

// take counts sessions and bytes, which may be below 0, unless one of them would
// grow over its limit.
func (r *room) take(sessions, bytes int64) bool {
	if !r.limited() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Compared by what is left, which unlike the sum cannot overflow.
	if sessions > 0 && r.maxSessions > 0 && sessions > r.maxSessions-r.sessions ||
		bytes > 0 && r.maxBytes > 0 && bytes > r.maxBytes-r.bytes {
		return false
	}
	r.sessions += sessions
	r.bytes += bytes
	return true
}

func (r *room) free(sessions, bytes int64) { r.take(-sessions, -bytes) }
