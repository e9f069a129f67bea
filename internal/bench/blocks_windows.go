package main

import "io/fs"

func blocks(fi fs.FileInfo) int64 { return fi.Size() }
