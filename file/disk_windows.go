package file

import (
	"errors"
	"syscall"
	"time"
)

const (
	errorAccessDenied     = syscall.Errno(5)
	errorSharingViolation = syscall.Errno(32)
	errorHandleDiskFull   = syscall.Errno(39)
	errorDiskFull         = syscall.Errno(112)
)

// patient does something to a name, and again for up to a second while somebody has the
// file open: a reader of ours, or a program that looks for viruses.
func patient(do func() error) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		err := do()
		busy := errors.Is(err, errorSharingViolation) || errors.Is(err, errorAccessDenied)
		if !busy || time.Now().After(end) {
			return err
		}
	}
}

func full(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}
