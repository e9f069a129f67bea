// Package mongo keeps sessions in a collection of MongoDB 5.0 or newer, by the driver v2:
// for any number of processes that share a database.
//
// # Shape
//
// A session is one document, whose _id is the session's id:
//
//	{_id: "…", owner: "user:42", data: BinData(0, "…"), revision: NumberLong(…), deadline: ISODate(…)}
//
// owner is left out for nobody's; the revision has the bits of the unsigned one.
// [Store.Migrate] makes two indexes: one of the deadlines, by which the server removes what
// has expired, and a partial one of the owners.
//
// Every verb that succeeds is one command: an aggregate by _id for Load, since only there
// does every server add its clock to what it read, an update by _id whose pipeline looks at
// revision and deadline, a delete. Only a write that changed nothing asks a second one
// why. What finds many asks for the clock first (hello), so that an index finds them.
//
// Every deadline is made and judged by the server's clock ($$NOW); this machine's clock does
// not matter. Lifetimes are rounded up to the millisecond, and last up to one more.
//
// What has expired is seen by nobody, whatever has been removed. The server's TTL monitor
// removes it once a minute, if it is on and Migrate was called; a goroutine does so every few
// minutes ([Options.SweepEvery]), and [Store.Sweep] now, in batches.
//
// # Durability
//
// A write that returned is on the disks of a majority of the replica set: with less a
// logout could be undone by a failover. So writes are acknowledged by the majority, journaled,
// and reads go to the primary at the level local, whatever the collection or the client
// was set to. A standalone server is a majority of one. Where the majority does not confirm,
// a write is store.ErrUnknown: it may come to be there, or be undone.
//
// Reads are at the level local: a primary that was cut off from the others, and has not
// heard of it, may answer with what was until it steps down, some ten seconds later. What
// is written meanwhile by others is not seen there, a logout among it; and what has not yet
// come to a majority is seen, and may be undone.
//
// # Lost replies
//
// A write whose reply was lost is repeated, for at most [Options.Timeout] and never beyond
// the context. On a replica set or a sharded cluster the driver does so first (its
// retryWrites), with a number by which the server knows that it has applied the write, and
// answers as it did before: what was applied does not become a conflict with itself. On
// other servers, and where the driver gives up, the store repeats it with the same revision;
// see package store. While there is no primary a call waits for one, for as long.
//
// A deadline that passes during a call ends it. A cancellation does not: the command comes
// to its end, within Options.Timeout; but Count and Sweep end at once, and everything where
// Timeout is negative. A transaction that the context carries is left aside: sessions are
// not part of it.
//
// # Sharded clusters
//
// Shard the collection by {_id: "hashed"}, or {_id: 1}: every verb then asks one shard.
// List, Count, DeleteOwner, Sweep and Clear ask all of them. Any other shard key is refused
// by the server at the first Create. The clock is that of the mongos, which must be right
// wherever it runs. Not tested.
//
// # Other servers
//
// Atlas is MongoDB, and takes the URL that it gives (mongodb+srv) with a database in it; not
// tested. Amazon DocumentDB names neither $$NOW nor $setField among the operators that it
// has, and FerretDB 1 does not update on a condition atomically: neither is for this package.
// Client-side field level encryption is the client's: it can encrypt data, and must leave the
// other fields, by which the server finds and judges; not tested.
//
// # Caveats
//
// With directConnection=true the driver reads from the server that was named, primary or
// not: [Store.Migrate], [Store.Ping] and [Opener] refuse one that is not the primary, but nobody
// notices when it is so later. It is for a replica set of one.
//
// A collection with a collation could take two ids for one, and Migrate refuses it, as it
// does views, capped collections and time series. Nothing else must be kept in it.
//
// A document that nobody could have written through this package, one without a revision
// for example, is [store.ErrCorrupt] until its deadline passes. What has no deadline that
// could pass stays until somebody deletes it. Fields that the package does not know stay
// when a session is updated.
//
// A write is judged by the deadline as it was when the server began with it.
package mongo
