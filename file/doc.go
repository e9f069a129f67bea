// Package file keeps sessions in the files of one folder, so that they survive a restart
// without a database: on one machine, for one process or several.
//
//	sessions, err := file.New("sessions", nil)
//
// # Shape
//
// A session is one file, in one of 256 folders:
//
//	sessions/FORMAT                 sojourn file store 1
//	sessions/3f/3f07…               a session; the name is the SHA-256 of its id, in hex
//	sessions/3f/new-…               one that is being written
//	sessions/owner-9a/9a41…-3f07…   the owner with that digest has that session
//
// A file has a header with the deadline, the revision and the lengths, then id, owner and
// data, and a checksum. A write makes a new file and renames it over the old one. A touch
// writes the deadline in place; it has a checksum of its own. Folders have mode 0700 and
// files 0600.
//
// An owner's sessions are found by the names in one folder of 256, which are empty files:
// among a million sessions in 5 ms, where reading all of them takes 15 s. The price is a
// second name for each new session that has an owner; updates and touches only see
// that it is there.
//
// # Durability
//
// What Create, Update and Delete have answered survives a power cut: the file is synced
// before it is renamed, and the folder after it. A sync that fails is an error, and
// [store.ErrUnknown] where the change can be seen already. [Atomic] syncs nothing: what was
// answered survives the end of the process, and a power cut may bring back what was there
// before, a session that was ended among it, or leave files that cannot be read. All who use
// a folder should have the same. A touch does not wait for the disk unless it makes the life
// shorter, or is the first of its process in a folder. It relies on the disk to write twelve
// bytes of a sector together. A call that waits for the disk is not ended by its context.
//
// # Processes
//
// Several processes may use one folder on Linux, macOS, illumos and the BSDs: writers of one of
// the 256 folders wait for each other by flock, for at most [Options.Timeout], and Load for
// nobody; a listing has each lock for as long as it takes to read the names. On Windows, and
// wherever there is no flock, it is one Store at a time; on Windows a rename is tried again for
// a second while somebody has the file open, folders cannot be synced, and neither rights nor
// hard links are looked at. The tests have run on Linux; the rest compiles. A folder on a
// network is not for this store: flock and rename there do not do what they say.
//
// # Clock
//
// The machine's clock judges every lifetime, by the time of day. One that is set forward by an
// hour ends the sessions that had less than that; set back, it gives each an hour more, and
// brings back those that expired in it and are not swept yet.
//
// # Caveats
//
// A file that cannot be read is [store.ErrCorrupt], stays where it is until Delete, and
// hinders nothing else; [Options.OnError] is told once. Links, pipes and folders in the
// place of a file are such files. So is a file that has a second name: a backup that makes
// hard links makes sessions unreadable, and one that copies does not.
//
// Count, List of everything and Sweep look into each file: a million take 10 to 15 s, in
// which nobody waits for them longer than for a hundred. Opening reads none. What goes through
// many files goes on past one that the disk cannot read, and returns the error in the end.
//
// A store keeps the folders open that it has used: up to 1,030 files (ulimit -n).
//
// The user who owns the folder can read and change what is in it: encrypt the disk, not the
// session.
package file
