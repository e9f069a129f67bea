// Package memory keeps sessions in the memory of the process: the default, for
// development, for tests, and for a single process whose sessions may end with
// it.
//
// # Shape
//
// The sessions are spread over 64 shards by a hash of the id. A shard has an index
// by id, one by owner, and a heap of the sessions in the order in which they are
// due, under one lock that loads share and nobody holds for long. Data is copied on
// its way in and never changed afterwards, so a load copies nothing and allocates
// nothing. A session with an id of 43 bytes costs 130 bytes besides its id and data,
// and some 25 more with an owner.
//
// Each Create removes up to two expired sessions of its shard, which it finds at
// the front of the heap, and each Update and Touch one. There is no goroutine, and
// nothing ever looks at all sessions under a lock.
//
// # Durability
//
// None: a restart forgets everything.
//
// # Caveats
//
// The sessions of one process are not seen by another. Lifetimes follow the
// monotonic clock, so a step of the wall clock changes nothing; with
// [Options.Now] they follow that, and it must not call the store. Without
// [Options.MaxSessions] and [Options.MaxBytes] the store grows as long as sessions
// are created faster than they expire. A store into which nobody writes any more
// keeps its dead, which nobody can see, until [Store.Sweep], [Store.Count] or the
// next writes. What the bookkeeping of a shard has grown to, 32 bytes for each
// session, it keeps until the shard is empty.
package memory
