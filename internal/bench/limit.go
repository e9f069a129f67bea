package main

import (
	"bytes"
	"hash/maphash"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// limit is a sharded map: what a memory store cannot do without. It checks
// nothing and orders nothing, and only loadLive knows a lifetime.
type limit struct {
	seed   maphash.Seed
	start  time.Time
	shards [64]struct {
		mu      sync.RWMutex
		entries map[string]limitEntry
		_       [64]byte
	}
}

type limitEntry struct {
	data     []byte
	owner    string
	revision store.Revision
	deadline time.Duration // since limit.start
}

func newLimit() *limit {
	l := &limit{seed: maphash.MakeSeed(), start: time.Now()}
	for i := range l.shards {
		l.shards[i].entries = map[string]limitEntry{}
	}
	return l
}

func (l *limit) load(id string) (limitEntry, bool) {
	sh := &l.shards[maphash.String(l.seed, id)%64]
	sh.mu.RLock()
	e, ok := sh.entries[id]
	sh.mu.RUnlock()
	return e, ok
}

// loadLive also judges the lifetime and tells what is left of it, which takes a
// look at the clock: no store of sessions can do without.
func (l *limit) loadLive(id string) (limitEntry, time.Duration, bool) {
	sh := &l.shards[maphash.String(l.seed, id)%64]
	sh.mu.RLock()
	e, ok := sh.entries[id]
	sh.mu.RUnlock()
	if !ok {
		return limitEntry{}, 0, false
	}
	left := e.deadline - time.Since(l.start)
	return e, left, left > 0
}

// save copies the data: a store that keeps the caller's slice is wrong, not quick.
func (l *limit) save(id string, data []byte, owner string, revision store.Revision) {
	e := limitEntry{data: bytes.Clone(data), owner: owner, revision: revision, deadline: life}
	sh := &l.shards[maphash.String(l.seed, id)%64]
	sh.mu.Lock()
	sh.entries[id] = e
	sh.mu.Unlock()
}
