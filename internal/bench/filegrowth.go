package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

// growth compares loads from a folder that has grown with those before, and tells how long
// it takes to open, and what the disk holds.
func (f files) growth(cycles int) ([]line, error) {
	var lines []line
	var loads []result
	k, err := newDesk(0, file.Atomic)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	data := noise(dataBytes)
	var ids []string
	for _, n := range []int{f.small, f.large} {
		for _, id := range newIDs(n - len(ids)) {
			if _, err := k.store.Create(ctx, id, store.Record{Data: data, Owner: owner(len(ids))}, life); err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		var failed failure
		loads = append(loads, compare(comparison{
			goroutines: 1,
			ours:       failed.calls(1, len(ids), func(_, i int) error { return load(ctx, k.store, ids[i]) }),
			limit:      failed.calls(1, 1, func(_, _ int) error { _, err := os.Stat(k.dir); return err }),
		}, cycles))
		if err := failed.err(); err != nil {
			return nil, err
		}
		said, err := k.size(len(ids))
		if err != nil {
			return nil, err
		}
		lines = append(lines, line{what: fmt.Sprintf("file, %d sessions", n), noise: said})
	}
	what := fmt.Sprintf("file, load, 512 B, of %d sessions, the limit of %d", f.large, f.small)
	return append(lines, grown(loads).line(what, target{allocs: -1})), nil
}

// size says what the folder takes, and how long some things do.
func (k *desk) size(n int) (string, error) {
	dir := filepath.Join(k.dir, "ours")
	began := time.Now()
	s, err := file.New(dir, &file.Options{SweepEvery: -1})
	if err != nil {
		return "", err
	}
	opened := time.Since(began)
	defer s.Close()
	timed := func(f func() error) time.Duration {
		began := time.Now()
		if e := f(); err == nil {
			err = e
		}
		return time.Since(began).Round(time.Microsecond)
	}
	listed := timed(func() error {
		for _, err := range s.List(ctx, store.Query{Owner: owner(n / 2)}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	counted := timed(func() error { _, err := s.Count(ctx); return err })
	swept := timed(func() error { _, err := s.Sweep(ctx); return err })
	var bytes, onDisk int64
	walked := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			bytes += fi.Size()
			onDisk += blocks(fi)
		}
		return err
	})
	if err == nil {
		err = walked
	}
	return fmt.Sprintf("opened in %v; an owner's session of %d listed in %v; counted in %v; swept in %v; %d bytes, %d on the disk for each",
		opened.Round(time.Microsecond), n, listed, counted, swept, bytes/int64(n), onDisk/int64(n)), err
}

func (f files) sweepRows() []row { return []row{{"file, sweep", f.sweep}} }

// sweep measures loads from a folder during a Sweep.
func (f files) sweep(int) ([]line, error) {
	k, err := newDesk(1024, file.Synced)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	past, err := file.New(filepath.Join(k.dir, "ours"), &file.Options{
		SweepEvery: -1, Durability: file.Atomic, Now: func() time.Time { return time.Now().Add(-30 * time.Hour) },
	})
	if err != nil {
		return nil, err
	}
	defer past.Close()
	data := noise(dataBytes)
	for i, id := range newIDs(f.large) {
		if _, err := past.Create(ctx, id, store.Record{Data: data, Owner: owner(i)}, life); err != nil {
			return nil, err
		}
	}
	return sweep("file", k.store, k.ids, f.large, 5*time.Second, func() error { return nil })
}
