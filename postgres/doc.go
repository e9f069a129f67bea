// Package postgres keeps sessions in a table of PostgreSQL 14 or newer, by pgx v5:
// for any number of processes that share a database.
//
// # Shape
//
// A session is a row of one table, which [Store.Migrate] makes and [Schema] shows.
// Every verb that succeeds is one statement and one round trip, prepared by pgx, and
// the data is sent once. Only a write that changed nothing asks a second one why.
//
// Ids and owners compare by their bytes, the data is a bytea, a revision is an int8
// of the same bits. Every deadline is made and judged by the server's clock, as it is
// at that moment; this machine's clock does not matter. Lifetimes are rounded up to
// the microsecond.
//
// What has expired is seen by nobody. A goroutine removes it in batches every few
// minutes ([Options.SweepEvery]), in one process at a time. A session that was never
// used again may stay for as long again as it lived, one that was touched for up to
// four times that, and for some hours at least. [Store.Sweep] removes all of it now.
//
// # Durability
//
// What the server promises for a commit, which by default survives a power cut: when
// Create, Update or Delete returns, its commit has been flushed, unless the server,
// the database or the user is set to synchronous_commit=off. Touch does not wait for
// that ([Options.DurableTouch] has it wait): a crash of the server undoes the touches
// of its last half second, and such a session ends a little early. With
// [Options.Unlogged] a crash of the server loses all sessions.
//
// A failover to a standby that is replicated asynchronously may lose the last writes,
// a logout among them.
//
// # PgBouncer
//
// In transaction mode prepared statements belong to a server's connection, and pgx's
// default breaks (errors 42P05 and 26000 say so) unless PgBouncer keeps track of them
// (max_prepared_statements, since 1.21). Add default_query_exec_mode=cache_describe to
// the URL, which is right either way; describe_exec is not, since its two steps can
// reach two servers. The advisory locks and settings of this package end with their
// statement, so that they are safe there.
//
// # Lost replies
//
// A statement whose reply was lost is sent again, for at most [Options.Timeout] and
// never beyond the context, with the same revision; see package store. So is one that
// the server rolled back for a deadlock or a serialization failure. A server that
// cannot be reached is an error at once.
//
// A deadline that passes during a call ends it, and costs the pool a connection. A
// cancellation does not: the statement comes to its end, within Options.Timeout; but
// Count and Sweep end at once, and everything where Timeout is negative.
//
// # Caveats
//
// The database's encoding must be UTF8: elsewhere an owner whose characters it lacks is
// an error. The pool must lead to the primary: after a failover
// target_session_attrs=read-write finds it. The exec and simple modes of pgx read data
// as text, and want the server's default bytea_output.
//
// A write that waits for a lock which somebody else's transaction has on its row, and
// lets go without changing it, is judged by the deadline as it was before the wait.
//
// A trigger on the table may run twice for one call, since a repeat is a statement
// like any other, and one that keeps rows from being deleted is not noticed. The table
// must not be partitioned: Sweep would see the first part only of what is not due.
//
// Data over 2 kB goes to the table's TOAST, which PostgreSQL compresses and a touch
// does not rewrite; shorter data is copied within its page. While some transaction
// stays open for hours, nobody can clean the table: the sweeper passes again and again
// over what it has removed, and may come to a stop until that transaction ends.
//
// A row that nobody could have written through this package, one whose revision is 0
// or whose deadline is infinite, is store.ErrCorrupt. So is, to Load, data that the
// server says is damaged (XX001); writing over it mends it.
package postgres
