// Package file keeps sessions in the files of one folder, so that they survive a restart
// without a database: on one machine, for one process or several.
//
//	sessions, err := file.New("sessions", nil)
//
// # Shape
//
// A session is one file, in one of 256 folders:
//
//	sessions/FORMAT            sojourn file store 1
//	sessions/3f/3f07…          a session; the name is the SHA-256 of its id, in hex
//	sessions/3f/new-…          one that is being written
//	sessions/owner-9a/9a41…-3f07…   the owner with that digest has that session
//
// A file has a header with the deadline, the revision and the lengths, then id, owner and
// data, and a checksum. A write makes a new file and renames it over the old one. A touch
// writes the deadline in place; it has a checksum of its own. Owners are found by the
// names in one folder, without reading a session. Folders have mode 0700 and files 0600.
//
// # Durability
//
// What Create, Update and Delete have answered survives a power cut: the file is synced
// before it is renamed, and the folder after it. [Atomic] leaves both out: what was
// answered survives the end of the process, and a power cut may bring back what was there
// before, a session that was ended among it. A touch never waits for the disk.
//
// # Processes
//
// Several processes may use one folder on Linux, macOS and the BSDs: writers of one of the
// 256 folders wait for each other by flock, and readers for nobody. On Windows it is one
// process at a time. A folder on a network is not for this store: flock and rename there
// do not do what they say.
//
// # Clock
//
// The machine's clock judges every lifetime. One that is set forward by an hour ends the
// sessions that had less than that; set back, it gives each an hour more.
//
// # Caveats
//
// A file that cannot be read is [store.ErrCorrupt], stays where it is until Delete, and
// hinders nothing else; [Options.OnError] is told once. Links, pipes and folders in the
// place of a file are such files. So is a file that has a second name: a backup that makes
// hard links makes sessions unreadable, and one that copies does not.
//
// Count, List of everything and Sweep read each file, or its beginning.
package file
