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
	judge := func(ops []linear.Op) {
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
	for range t.rounds(30, 80) {
		judge(t.history(handles))
	}
	for i := range t.rounds(10, t.duels()) {
		// Every pair of two writes in turn; kindOf knows the numbers.
		pairs := [][]int{{5, 5}, {5, 7}, {5, 6}, {6, 7}, {1, 6}, {1, 5}}
		judge(t.duel(handles, pairs[i%len(pairs)]...))
	}
	if undecided > all/2 {
		t.undecided(fmt.Sprintf("the search ran out of steps in %d of %d histories", undecided, all))
	}
}

// history has 4 clients make 5 calls each on one id, and says what came of them.
func (t *T) history(handles []*client) []linear.Op {
	const clients, calls = 4, 5
	h := recorder{id: t.newID()}
	kinds := make([][]int, clients)
	for c := range kinds {
		for range calls {
			kinds[c] = append(kinds[c], t.rng.IntN(10))
		}
	}
	t.together(clients, func(c int) {
		for _, k := range kinds[c] {
			base := h.last.Load()
			h.call(handles[c%len(handles)], c, kindOf(k), base)
		}
	})
	return h.ops
}

// duel has two clients make one call each at the same moment, on a session that
// is there, and then one look at what is left. The calls of a
// history follow each other closely, but with a store that takes less than a
// microsecond few of them meet; two that are let go together do.
func (t *T) duel(handles []*client, kinds ...int) []linear.Op {
	h := recorder{id: t.newID()}
	h.call(handles[0], 0, linear.Create, 0)
	base := h.last.Load()
	t.together(len(kinds), func(c int) { h.call(handles[c%len(handles)], c, kindOf(kinds[c]), base) })
	h.call(handles[0], 0, linear.Load, 0)
	return h.ops
}

// kindOf gives writes more weight than reads.
func kindOf(k int) linear.Kind {
	switch {
	case k <= 1:
		return linear.Create
	case k <= 5:
		return linear.Update
	case k == 6:
		return linear.Delete
	case k == 7:
		return linear.Touch
	}
	return linear.Load
}

// recorder makes calls on one id and writes down what came of them.
type recorder struct {
	id           string
	stamp, value atomic.Int64
	last         atomic.Uint64 // the newest revision that anybody saw

	mu  sync.Mutex
	ops []linear.Op
}

func (r *recorder) call(h *client, client int, kind linear.Kind, base uint64) {
	op := linear.Op{Client: client, Kind: kind}
	rec := store.Record{}
	if kind == linear.Create || kind == linear.Update {
		op.Value = uint64(r.value.Add(1))
		rec.Data = number(op.Value)
	}
	if kind == linear.Update {
		op.Base = max(base, 1)
	}
	var err error
	var v store.Revision
	op.Call = r.stamp.Add(1)
	switch kind {
	case linear.Create:
		v, err = h.Create(r.id, rec, hour)
	case linear.Update:
		v, err = h.Update(r.id, rec, hour, store.Revision(op.Base))
	case linear.Delete:
		err = h.Delete(r.id)
	case linear.Touch:
		err = h.Touch(r.id, hour+time.Duration(op.Call)*time.Second) // UPDATE-7 has the one that changes nothing
	default:
		var e store.Entry
		e, err = h.Load(r.id)
		if v = e.Revision; err == nil {
			op.Value = numberOf(e.Data)
		}
	}
	op.Return = r.stamp.Add(1)
	op.Rev = uint64(v)
	if v != 0 {
		r.last.Store(uint64(v))
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
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
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
