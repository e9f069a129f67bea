package session

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// wait lets others go first. The first time it queues behind the requests of this
// process that met a conflict on the same session, which is what makes many at
// once end soon, until the caller leaves; after that it waits a moment of random
// length, for the other processes. It returns how to leave: leave itself when there
// was no queue.
func (m *Manager) wait(ctx context.Context, phase uint64, try int, leave func()) (func(), error) {
	if try == 1 {
		queue := m.queues[phase%uint64(len(m.queues))]
		select {
		case queue <- struct{}{}:
			return func() { <-queue }, nil
		case <-ctx.Done():
			return leave, ctx.Err()
		}
	}
	pause := time.NewTimer(rand.N(time.Millisecond << min(try/2, 5)))
	defer pause.Stop()
	select {
	case <-pause.C:
		return leave, nil
	case <-ctx.Done():
		return leave, ctx.Err()
	}
}

// phase is a number that a session has for its life and that differs between
// sessions.
func (s *Session) phase() uint64 { return phase(s.key) }

func phase(key string) uint64 {
	var sum [8]byte
	_, _ = encoding.Decode(sum[:], []byte(key[:8])) // of our own making
	return binary.BigEndian.Uint64(sum[:]) >> 16    // of which 6 bytes are there
}
