// Package store is the contract between a session manager and the place where
// sessions are kept.
//
// [Store] is the contract: five verbs, and one sentence for each rule that they
// keep. A new backend implements it from this page alone, and package
// conformance finds out whether it is right.
//
// # How a store is written
//
// Each verb begins with its check ([CheckLoad], [CheckCreate], [CheckUpdate],
// [CheckTouch], [CheckDelete]), so that every store refuses the same input in
// the same words. Each verb that succeeds should be one command to the backend:
//
//   - Load returns what is there and whose deadline has not passed, by the
//     backend's own clock, with what is left of its life.
//   - Create inserts where nothing live is: an expired row that nobody has
//     swept yet is replaced, in the same command.
//   - Update replaces where the revision is base and the deadline has not
//     passed. If that changed nothing, a second question finds out why:
//     nothing live there is [ErrNotFound], another revision is [ErrConflict].
//     Count the rows that were matched, not those that were changed.
//   - Touch moves the deadline where it has not passed.
//   - Delete removes whatever is there.
//
// What a store can do beyond these begins with [CheckQuery], [CheckDeleteOwner] or
// [CheckContext]. After Close a call may be refused for its arguments as before, or
// with [ErrClosed]. Data of length 0 is no NULL (LOAD-3).
//
// Errors that are not in this package's list are the driver's, wrapped with what
// was being done. A driver's message may quote the key or the data; such text is
// left out (ID-3).
//
// # Lost replies
//
// A connection can break after the backend has applied a write and before its
// answer arrived. The store then sends the write again by itself, with the same
// revision, which it chose before the first attempt. The repeat finds
//
//   - its own revision: the write succeeded;
//   - base still there (Update), or nothing (Create): it is applied now, and
//     succeeded;
//   - anything else: [ErrUnknown], since somebody may already have built on the
//     first attempt.
//
// A repeated Create may create again what was deleted in between, and a repeated
// Delete may remove what was created in between: an id is used for one session
// only, so both are harmless. A driver's own repeats must be off for writes: a
// repeat that the store does not know of turns "applied" into "conflict".
//
// # Durability
//
// What survives a crash is each store's own promise, stated in its package
// documentation.
package store
