package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// files measures the store of package file against files that are read and written by
// hand, by their paths, in 256 folders too.
type files struct {
	small, large int // before the folder has grown, and after it
}

var filesFull = files{10_000, 1_000_000}

func (f files) rows() []row {
	var rows []row
	for _, goroutines := range []int{1, 16} {
		rows = append(rows, row{"file, load hit, " + count(goroutines), func(cycles int) ([]line, error) {
			return loadFiles(goroutines, cycles)
		}})
	}
	for _, d := range []file.Durability{file.Synced, file.Atomic} {
		rows = append(rows, row{"file, update, " + d.String(), func(cycles int) ([]line, error) { return updateFiles(d, cycles) }})
	}
	return append(rows, row{"file, touch", touchFiles})
}

func (f files) growthRows() []row { return []row{{"file, growth", f.growth}} }

// desk is a store in files, and files by hand.
type desk struct {
	dir   string
	store *file.Store
	ids   []string
	revs  []store.Revision
	hand  []string // paths
	dirs  map[string]*os.File
}

func newDesk(n int, d file.Durability) (*desk, error) {
	dir, err := os.MkdirTemp("", "sojourn-bench-")
	if err != nil {
		return nil, err
	}
	k := &desk{dir: dir, dirs: map[string]*os.File{}}
	if k.store, err = file.New(filepath.Join(dir, "ours"), &file.Options{SweepEvery: -1, Durability: d}); err != nil {
		return k, err
	}
	data := noise(dataBytes)
	for i, id := range newIDs(n) {
		rev, err := k.store.Create(ctx, id, store.Record{Data: data, Owner: owner(i)}, life)
		if err != nil {
			return k, err
		}
		in := filepath.Join(dir, "hand", fmt.Sprintf("%02x", i%256))
		if k.dirs[in] == nil {
			if err := os.MkdirAll(in, 0o700); err != nil {
				return k, err
			}
			if k.dirs[in], err = os.Open(in); err != nil {
				return k, err
			}
		}
		path := filepath.Join(in, id)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return k, err
		}
		k.ids, k.revs, k.hand = append(k.ids, id), append(k.revs, rev), append(k.hand, path)
	}
	return k, nil
}

func (k *desk) close() {
	for _, d := range k.dirs {
		_ = d.Close()
	}
	if k.store != nil {
		_ = k.store.Close()
	}
	_ = os.RemoveAll(k.dir)
}

func loadFiles(goroutines, cycles int) ([]line, error) {
	k, err := newDesk(held, file.Atomic)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	var failed failure
	res := compare(comparison{
		goroutines: goroutines,
		ours:       failed.calls(goroutines, held, func(_, i int) error { return load(ctx, k.store, k.ids[i]) }),
		limit: failed.calls(goroutines, held, func(_, i int) error {
			b, err := os.ReadFile(k.hand[i])
			if err == nil && len(b) != dataBytes {
				err = fmt.Errorf("%d bytes", len(b))
			}
			return err
		}),
	}, cycles)
	return []line{res.line("file, load hit, 512 B, "+count(goroutines)+", the limit opens, reads and closes", target{1.3, -1})}, failed.err()
}

func updateFiles(d file.Durability, cycles int) ([]line, error) {
	k, err := newDesk(1024, d)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	data := noise(dataBytes)
	var failed failure
	ours := failed.calls(1, len(k.ids), func(_, i int) (err error) {
		k.revs[i], err = k.store.Update(ctx, k.ids[i], store.Record{Data: data, Owner: owner(i)}, life, k.revs[i])
		return err
	})
	byHand := func(read bool) block {
		return failed.calls(1, len(k.ids), func(_, i int) error {
			if read {
				if _, err := os.ReadFile(k.hand[i]); err != nil {
					return err
				}
			}
			return k.replace(k.hand[i], data, d == file.Synced)
		})
	}
	what := "file, update, 512 B, " + d.String()
	limit, must := ", the limit writes and renames", 1.15
	if d == file.Synced {
		limit = ", the limit writes, syncs, renames and syncs the folder"
	}
	plain := compare(comparison{goroutines: 1, waits: true, ours: ours, limit: byHand(false)}, cycles)
	reading := compare(comparison{goroutines: 1, waits: true, ours: ours, limit: byHand(true)}, cycles)
	return []line{
		plain.line(what+limit, target{must, -1}),
		reading.line(what+", the limit reads first", target{allocs: -1}),
	}, failed.err()
}

func (k *desk) replace(path string, data []byte, sync bool) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, path); err != nil || !sync {
		return err
	}
	return k.dirs[filepath.Dir(path)].Sync()
}

// touchFiles compares with another time of change by hand, in which some stores keep
// the deadline.
func touchFiles(cycles int) ([]line, error) {
	k, err := newDesk(1024, file.Synced)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	var failed failure
	res := compare(comparison{
		goroutines: 1,
		ours:       failed.calls(1, len(k.ids), func(_, i int) error { return k.store.Touch(ctx, k.ids[i], life) }),
		limit: failed.calls(1, len(k.ids), func(_, i int) error {
			b, err := os.ReadFile(k.hand[i])
			if err != nil {
				return err
			}
			return k.replace(k.hand[i], b, false)
		}),
	}, cycles)
	return []line{res.line("file, touch, 512 B, the limit reads, writes and renames", target{allocs: -1})}, failed.err()
}
