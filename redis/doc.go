// Package redis keeps sessions in Redis 7 or Valkey, by go-redis v9: in a single server,
// one that Sentinel looks after, or a cluster.
//
// # Shape
//
// A session is a string, and each owner has an index of his sessions, a sorted set:
//
//	prefix{tag}s:id      format (1 byte) | revision (8) | length of the owner (1) | owner | data
//	prefix{tag}o:owner   ids, by the ends of their lives in milliseconds
//	prefix{slots}        how many tags there are
//
// The tag is three hexadecimal digits, which follow from the id. A cluster chooses the
// slot of a key by it, so that a session and the entry in its owner's index are in one
// slot, and one script changes both. There is one tag on a single server and there are
// 256 on a cluster ([Options.Slots]), for the life of the data. A query by owner asks every tag,
// those of one server in one pipeline.
//
// Every verb that succeeds is one round trip. Load is GET and PTTL, Create of a session
// that is nobody's a SET, all else a script, sent by its name. The scripts name keys
// that are not among their declared ones: the index of an owner who is known only once the
// session has been read. It is always in the same slot. A proxy that insists on declared
// keys cannot be used.
//
// Lifetimes are the server's own, by its own clock, rounded up to the millisecond, and
// one more, since a life may begin late in one. Nothing but prefix{slots} is stored without.
// So nothing has to be swept: an index is removed with its last session, and its entries
// of what has expired when it is next written to. What was lost of an index comes back
// with the session's next Update or Touch; until then List and DeleteOwner miss it.
//
// # Durability
//
// What the server is set to. With appendonly yes and appendfsync always, a write that
// returned survives a power cut. With everysec the end of the process loses nothing as a rule, and
// what came in the last two seconds where the disk is slow: while one sync runs, the server keeps
// what comes after it in its memory. A power cut loses as much. With snapshots alone (save) a
// crash loses what came after the last one, and without any of it a restart begins with
// nothing.
//
// # Failover
//
// Redis answers before its replicas have a write. When a replica takes over, the last
// writes may be lost, and a logout among them: the session is back. [Options.Replicas] has
// Delete, DeleteOwner and Clear wait until so many replicas have what they did, and answer
// [store.ErrUnknown] if they have not in time. That makes it likely, and does not promise, that
// the logout survives: Redis may still choose a replica that is not among them, unless every
// replica is waited for. It says nothing about Create and Update.
//
// Seen in a cluster whose master was killed under load: of 2,800 to 4,300 acknowledged
// writes none was lost where the replica had followed, and writes to these slots worked
// again after 3 to 5 seconds. Where the replica had lost its master a moment before, 69 to 90
// of 5,000 were lost, and 22 logouts undone; with Replicas: 1 none was undone, since Delete
// answered ErrUnknown. A failover that Sentinel is asked for takes eleven seconds, in which
// the old master goes on answering: 80 of some 8,000 logouts were undone, and none with
// Replicas: 1.
//
// # Memory
//
// In Redis 8, a session with 512 bytes of data takes 830 bytes, where a plain key takes 815,
// and one with an owner 1,060, or 940 where each owner has five. With 8 KiB it is 10,440
// and 10,670. (Keys with a prefix of 31 bytes, a million sessions.)
//
// # Lost replies
//
// A command whose reply was lost is sent again, for at most [Options.Timeout] and never
// beyond the context, with the same revision; see package store. go-redis repeats nothing
// here. A server that cannot be reached is an error at once, and so is one that says that
// it takes no writes now.
//
// A deadline that passes during a call ends it, and costs the client a connection. A
// cancellation does not: the command comes to its end, within Options.Timeout.
//
// # Rights
//
// A user needs ~prefix{* and get, set, pttl, pexpire, pexpireat, getrange, exists, unlink,
// zadd, zrem, zrange, zscan, scan, eval, evalsha, time, ping, info, and wait for
// [Options.Replicas]; select for another database than 0; and cluster, command and asking for
// a client of a cluster. Without info nobody can tell
// whether the server drops live sessions, and [New] says so.
//
// # Caveats
//
// Set maxmemory-policy to noeviction. With volatile-… a full server drops sessions
// first of all, since they are what has an end ([Warning]); with allkeys-… anything, and New
// refuses it unless [Options.Evictable]. With noeviction a full server answers Create and Update
// with [store.ErrFull], keeps what it has, and takes Touch and Delete.
//
// While a slot moves to another server of a cluster, List may leave out what moves, and a
// write to it may be repeated until it has arrived. An owner's index may then come to be on
// both sides: redis-cli --cluster reshard wants --cluster-replace for that; what an index
// loses by it comes back as above. What is evicted, or deleted by hand, keeps its entry in
// the index until its time comes, and is not listed.
//
// go-redis has a pool of its own for pipelines, which Load uses beside the one that PoolSize
// bounds. After an outage either finds the server again by itself, up to a second apart;
// PipelinePoolSize: -1 has both use one, as [Opener] does.
//
// A client's reads may be routed to replicas (ReadOnly, RouteByLatency): this package asks
// the masters all the same, since a replica may not know of a logout yet. redis.Ring is not
// supported, and neither is a server behind Twemproxy.
//
// A value that nobody could have written through this package, or that was given no end,
// is [store.ErrCorrupt].
package redis
