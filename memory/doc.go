// Package memory keeps sessions in the memory of the process: the default, for
// development, for tests, and for a single process whose sessions may end with
// it.
//
// # Shape
//
// The sessions are spread over shards by a hash of the id. A shard is a map, a
// heap of the sessions in the order in which they expire, and an index of owners,
// under one lock that reads share. Data is copied on its way in and never changed
// afterwards, so a load copies nothing and allocates nothing.
//
// Each Create removes up to two expired sessions of its shard, which it finds at
// the root of the heap. There is no goroutine, and nothing ever looks at all
// sessions under a lock.
//
// # Durability
//
// None: a restart forgets everything.
//
// # Caveats
//
// The sessions of one process are not seen by another. Lifetimes follow the
// monotonic clock, so a step of the wall clock changes nothing; with
// [Options.Now] they follow that. Without [Options.MaxSessions] and
// [Options.MaxBytes] the store grows as long as sessions are created faster than
// they expire.
package memory
