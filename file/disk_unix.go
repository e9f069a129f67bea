//go:build unix

package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/sojourn-go/sojourn/store"
)

// nonblock keeps an open of a pipe from waiting for somebody at its other end.
const nonblock = syscall.O_NONBLOCK

func syncFolder(f *os.File) error { return f.Sync() }

// patient does something to a name: here that does not depend on who has the file open.
func patient(do func() error) error { return do() }

// links is how many names a file has.
func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// private refuses a folder that others may use: who can write to it can plant sessions,
// and who can read it can read them.
func private(fi fs.FileInfo, others fs.FileMode) error {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: the folder belongs to user %d, and this process is user %d", store.ErrInvalid, st.Uid, os.Geteuid())
	}
	if mode := fi.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("%w: the folder has mode %#o: take the rights of others away, as with chmod 700", store.ErrInvalid, mode)
	}
	return nil
}

// full reports whether a write failed for want of room.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
