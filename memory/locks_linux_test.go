package memory_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

// holds is how long locks were held.
type holds struct {
	n, most       int           // locks; sessions that came or went under one
	work, wall    time.Duration // the longest, by the processor's time and by the clock on the wall
	over, overAll int           // over a millisecond, by the two
}

// BenchmarkLocks shows how long locks are held in the life of a million sessions:
// created (grow), expired at once, and removed by creates, half of them, and by
// Sweep (clean).
//
// work-ns is the longest processor time spent under one lock, the collector's share
// included; over-1ms is how many were over a millisecond. wall-ns and wall-over-1ms
// are the same by the clock on the wall: a holder who loses his processor under a
// lock, to the collector or to another program, holds it all the while.
func BenchmarkLocks(b *testing.B) {
	runtime.LockOSThread() // whose time is then this goroutine's
	defer runtime.UnlockOSThread()
	const n = 1_000_000
	for b.Loop() {
		var gone atomic.Int64
		s := memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }})
		var h holds
		var start time.Time
		var cpu time.Duration
		var before int
		memory.Watch(s, func(locked bool, sessions int) {
			if locked {
				start, cpu, before = time.Now(), threadTime(), sessions
				return
			}
			work, wall := threadTime()-cpu, time.Since(start)
			h.n++
			h.most = max(h.most, sessions-before, before-sessions)
			h.work, h.wall = max(h.work, work), max(h.wall, wall)
			if work > time.Millisecond {
				h.over++
			}
			if wall > time.Millisecond {
				h.overAll++
			}
		})
		report := func(phase string) {
			b.ReportMetric(float64(h.n), phase+"-locks")
			b.ReportMetric(float64(h.most), phase+"-moved")
			b.ReportMetric(float64(h.work), phase+"-work-ns")
			b.ReportMetric(float64(h.over), phase+"-over-1ms")
			b.ReportMetric(float64(h.wall), phase+"-wall-ns")
			b.ReportMetric(float64(h.overAll), phase+"-wall-over-1ms")
			h = holds{}
		}
		create := func(what string, n int) {
			for i := range n {
				rec := store.Record{Data: make([]byte, 512), Owner: fmt.Sprintf("user:%06d", i)}
				if _, err := s.Create(ctx, fmt.Sprintf("%s-%042d", what, i), rec, time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		}
		create("a", n)
		report("grow")
		gone.Add(int64(2 * time.Hour))
		create("b", n/4)
		if _, err := s.Sweep(ctx); err != nil {
			b.Fatal(err)
		}
		report("clean")
	}
}

// threadTime is the processor time that this thread has used.
func threadTime() time.Duration {
	const threadCPUTime = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadCPUTime, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		panic(err)
	}
	return time.Duration(t.Nano())
}
