//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// blocks is how many bytes of the disk a file takes.
func blocks(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return fi.Size()
}
