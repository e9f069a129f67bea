package memory

import "sync"

// lock is a [sync.RWMutex] that is tried for some 20 microseconds before it is
// waited for. Nobody here works that long under one, and who waits is put to sleep
// and takes 20 to 1,000 microseconds to wake up, with all who came after a sleeping
// writer asleep behind him. While creates cleaned up a million expired sessions, 1
// load of 10,000 took 222 µs with 1,000 spins and 26 µs with these, as in a quiet
// store.
type lock struct{ mu sync.RWMutex }

const spins = 20_000

func (l *lock) Lock() {
	for range spins {
		if l.mu.TryLock() {
			return
		}
	}
	l.mu.Lock()
}

func (l *lock) RLock() {
	for range spins {
		if l.mu.TryRLock() {
			return
		}
	}
	l.mu.RLock()
}

func (l *lock) Unlock()  { l.mu.Unlock() }
func (l *lock) RUnlock() { l.mu.RUnlock() }
