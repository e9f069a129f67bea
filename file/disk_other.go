//go:build !unix

package file

import (
	"io/fs"
	"os"
)

const nonblock = 0

// syncFolder does nothing: there is no such call.
func syncFolder(*os.File) error { return nil }

func links(fs.FileInfo) uint64 { return 1 }

// private does nothing: rights are not in the mode, and a folder inherits them.
func private(fs.FileInfo, fs.FileMode) error { return nil }
