//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package file

import "os"

// There is no flock here, so one process at a time may use a folder: the lock within the
// process is all there is.

func tryLock(*os.File) (bool, error) { return true, nil }
func unlock(*os.File) error          { return nil }
