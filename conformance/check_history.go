package conformance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/conformance/internal/linear"
	"github.com/sojourn-go/sojourn/store"
)

func update6(t *T) {
	f := t.subject()
	handles := f.handles()
	undecided, all := 0, 0
	for range t.rounds(30, 80) {
		ops := t.history(handles)
		all++
		switch linear.Check(ops, 200_000) {
		case linear.Illegal:
			var lines []string
			for _, op := range ops {
				lines = append(lines, op.String())
			}
			t.Fatalf("a history of concurrent calls has no order that explains it:\n%s", strings.Join(lines, "\n"))
		case linear.Undecided:
			undecided++
		}
	}
	if undecided > all/2 {
		t.undecided(fmt.Sprintf("the search ran out of steps in %d of %d histories", undecided, all))
	}
}

// history has 4 clients make 5 calls each on one id, and says what came of them.
func (t *T) history(handles []*client) []linear.Op {
	const clients, calls = 4, 5
	id := t.newID()
	var stamp, value atomic.Int64
	var mu sync.Mutex
	var ops []linear.Op
	kinds := make([][]int, clients)
	for c := range kinds {
		for range calls {
			kinds[c] = append(kinds[c], t.rng.IntN(10))
		}
	}
	var last atomic.Uint64 // the newest revision that anybody saw
	t.together(clients, func(c int) {
		h := handles[c%len(handles)]
		for _, k := range kinds[c] {
			op := linear.Op{Client: c}
			rec := store.Record{}
			if k <= 5 {
				op.Value = uint64(value.Add(1))
				rec.Data = number(op.Value)
			}
			var err error
			var v store.Revision
			op.Call = stamp.Add(1)
			switch {
			case k <= 1:
				op.Kind = linear.Create
				v, err = h.Create(id, rec, hour)
			case k <= 5:
				op.Kind, op.Base = linear.Update, max(last.Load(), 1)
				v, err = h.Update(id, rec, hour, store.Revision(op.Base))
			case k == 6:
				op.Kind = linear.Delete
				err = h.Delete(id)
			case k == 7:
				op.Kind = linear.Touch
				err = h.Touch(id, hour+time.Duration(op.Call)*time.Second) // UPDATE-7 has the one that changes nothing
			default:
				op.Kind = linear.Load
				var e store.Entry
				e, err = h.Load(id)
				if v = e.Revision; err == nil {
					op.Value = numberOf(e.Data)
				}
			}
			op.Return = stamp.Add(1)
			op.Rev = uint64(v)
			if v != 0 {
				last.Store(uint64(v))
			}
			switch {
			case err == nil && v == 0 && op.Kind == linear.Create:
				op.Outcome = linear.Unknown // CREATE-1: nobody knows its revision
			case err == nil:
				op.Outcome = linear.OK
			case errors.Is(err, store.ErrNotFound):
				op.Outcome = linear.NotFound
			case errors.Is(err, store.ErrExists):
				op.Outcome = linear.Exists
			case errors.Is(err, store.ErrConflict):
				op.Outcome = linear.Conflict
			default:
				op.Outcome = linear.Unknown
			}
			mu.Lock()
			ops = append(ops, op)
			mu.Unlock()
		}
	})
	return ops
}

// number is n as data, and numberOf reads it; 0 is what cannot be read.
func number(n uint64) []byte { return fmt.Appendf(nil, "%08d", n) }

func numberOf(data []byte) uint64 {
	n, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
