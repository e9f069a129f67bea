package memory

import "sync"

// lock is a [sync.RWMutex] that is tried for about a microsecond before it is
// waited for. Nobody here holds one for longer, and who waits is put to sleep, and
// takes 20 to 1,000 microseconds to wake up, with all who came after a sleeping
// writer asleep behind him: under creates that cleaned up, 1 load of 10,000 took
// 240 µs.
type lock struct{ mu sync.RWMutex }

const spins = 1000

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
