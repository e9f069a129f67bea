package main

import (
	"fmt"
	"runtime"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

// heapPerSession measures what a session of 512 B, with an id of 43 characters,
// costs in memory in a store of a million. 555 B of it are id and data.
func heapPerSession(int) ([]line, error) {
	var lines []line
	for _, owned := range []bool{false, true} {
		what, most := "memory, heap per session of 512 B, nobody's", 720
		if owned {
			what = "memory, heap per session of 512 B, each with an owner of 11 B of its own"
		}
		s := memory.New(nil)
		data := make([]byte, dataBytes)
		before := heapInUse()
		for i := range crowd {
			rec := store.Record{Data: data}
			if owned {
				rec.Owner = fmt.Sprintf("user:%06d", i)
			}
			if _, err := s.Create(ctx, newIDs(1)[0], rec, life); err != nil {
				return nil, err
			}
		}
		n := int(heapInUse()-before) / crowd
		runtime.KeepAlive(s)
		lines = append(lines, line{
			what:    what,
			ours:    fmt.Sprintf("%d B", n),
			limit:   "555 B",
			ratio:   fmt.Sprintf("%.2f", float64(n)/555),
			target:  fmt.Sprintf("%d B", most),
			reached: n <= most,
		})
	}
	return lines, nil
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has found dead
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
