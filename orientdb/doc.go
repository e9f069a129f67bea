// Package orientdb keeps sessions in a class of OrientDB 3.2, by its HTTP interface: for any
// number of processes that share a database. It needs nothing but the standard library.
//
// # Shape
//
// A session is one record of a class:
//
//	id     STRING   "s:" and the session's id; a unique hash index
//	data   BINARY
//	owner  STRING   "o:" and the owner, null for nobody's; an index
//	rev    LONG     the bits of the unsigned revision
//	exp    LONG     the end of its life, in milliseconds by the server's clock
//	due    LONG     the minute of exp; an index
//
// [Store.Migrate] makes the class. Every verb that succeeds is one request of one statement.
// Only a write that changed nothing asks a second one why, and a create in the place of what
// has expired buries that first. Every life is made and judged by the server's clock
// (sysdate()): this machine's does not matter. Lives are rounded up to the millisecond, and
// last up to one more.
//
// What has expired is seen by nobody, whatever has been removed. The server removes nothing
// by itself: a goroutine does so every few minutes ([Options.SweepEvery]), and [Store.Sweep]
// now, in batches of 512.
//
// A session of 512 bytes with an owner of its own takes 942 bytes of the server's disk, of
// which 278 are indexes, and one of 8 KiB takes 10.1 KB. A load takes as long among 300,000
// sessions as among 10,000.
//
// # Burying
//
// DELETE … WHERE of this server deletes by the record's own id, whatever the record has
// become since it was found: of 200 sessions that were created in the place of expired ones
// while those were swept, 10 to 15 were lost. So nothing that could be a session is deleted.
// A session that ends is buried: an UPDATE, which the server does refuse if another write
// was quicker, takes its id, data and owner away. The next sweep that is a minute later, or
// two, deletes what is left of it. In 120 rounds of that race nothing was lost.
//
// The minute is a margin and no proof: a statement that the server holds for longer than
// that, after it has found a record and before it writes, could still meet one that is gone;
// the server would then report a change that is none.
//
// # Durability
//
// Less than of the other stores that have a server. It answers before it has written its log,
// which it does once a second. Whoever kills it (kill -9, out of memory), or the machine's
// power, takes up to a second of what it has acknowledged, a logout among it: 368 of 1,042
// writes here. A stop in good order takes nothing. With
//
//	-Dstorage.wal.commitTimeout=10
//
// in ORIENTDB_SETTINGS it writes every 10 ms, and 0 to 3 of 600 were lost; at 1 and 0 it was
// no less. No setting was found that has it wait for the disk: tx.commit.synch and
// tx.log.synch are read nowhere in its program. A write is there whole or not at all.
//
// A server that was killed goes through what was written in the last minutes before it
// answers, some 1,700 changes of its files a second. A database that was killed in the first
// second of its life could not be opened again, two times of three; with the setting it was,
// eight times of eight.
//
// # A full disk
//
// Watch it. The write that meets it gets [store.ErrFull] and [store.ErrUnknown]; from then on
// the server refuses everything with 401, reads and Delete too, until it is started again
// with room. Some writes get no more than that 401. On a small disk it could not open the
// database then either, three times of three, though half of the disk had been made free (one
// time that was not enough for its recovery): have a backup, or be ready to lose all sessions.
//
// # Lost replies
//
// A request whose answer was lost is sent again with the same revision, for at most
// [Options.Timeout] and never beyond the context; see package store. So is one that was
// refused since another write to the same record was quicker (409), which has written
// nothing; of many records it may have written some, and is counted then.
//
// A deadline that passes during a call ends it, and its connection. A cancellation does
// not: the request comes to its end, within Options.Timeout; but it ends at once what
// looks for many, and everything where Timeout is negative.
//
// # Connections
//
// The store's own client keeps up to 100 connections, and gives up those that were idle for
// 10 seconds: the server does so after 15. For a client of the caller's that is a
// Transport's MaxIdleConnsPerHost, which is 2 unless it is set, and IdleConnTimeout. The
// store's own goes through no proxy, whatever the environment names. Without TLS (https)
// user, password and sessions cross the network in the clear.
//
// Where the server cannot open the database it answers one request twice, with a 401 and
// then a 500: whoever used the connection next would get another's answer. Every connection
// is closed on which something was refused for an unknown reason, and an answer is compared
// with what was asked.
//
// # Caveats
//
// 401 is said of a wrong password, of a database that is not there, and of one that the
// server cannot open: the error names all three.
//
// "Sessions" and "sessions" are one class to the server. Nothing else must be kept in it: a
// record without due is removed by Clear. Before you drop a class, TRUNCATE CLASS … UNSAFE:
// DROP CLASS deletes one record after the other, while every insert of the database waits.
//
// A record that this package could not have written, one without a revision for example, is
// [store.ErrCorrupt] until its deadline passes. One without a deadline stays until somebody
// deletes it. Properties that the package does not know stay when a session is updated.
//
// Count reads the whole class: 1 to 4 s for 300,000 sessions. Over 700 KB of data the server
// warns in its log, and takes it nevertheless.
//
// One server was tested, of version 3.2.36. A cluster of several was not.
package orientdb
