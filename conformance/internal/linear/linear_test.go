package linear_test

import (
	"testing"

	. "github.com/sojourn-go/sojourn/conformance/internal/linear"
)

// at gives a call its stamps.
func at(call, ret int64, o Op) Op { o.Call, o.Return = call, ret; return o }

var (
	created = Op{Kind: Create, Value: 1, Rev: 10}
	readOne = Op{Kind: Load, Value: 1, Rev: 10}
	readTwo = Op{Kind: Load, Value: 2, Rev: 20}
	missing = Op{Kind: Load, Outcome: NotFound}
	toTwo   = Op{Kind: Update, Value: 2, Base: 10, Rev: 20}
	toThree = Op{Kind: Update, Value: 3, Base: 10, Rev: 30}
	deleted = Op{Kind: Delete}
	lostTwo = Op{Kind: Update, Value: 2, Base: 10, Outcome: Unknown}
)

// one puts calls after one another.
func one(ops ...Op) []Op {
	for i := range ops {
		ops[i] = at(int64(2*i+1), int64(2*i+2), ops[i])
	}
	return ops
}

var golden = []struct {
	name string
	ops  []Op
	want Verdict
}{
	{"nothing", nil, Linearizable},
	{"create, load", one(created, readOne), Linearizable},
	{"create, update, load", one(created, toTwo, readTwo), Linearizable},
	{"create, delete, load", one(created, deleted, missing), Linearizable},
	{"created anew after a delete", one(created, deleted, Op{Kind: Create, Value: 5, Rev: 50}), Linearizable},
	{"a load beside an update sees the old", []Op{at(1, 2, created), at(3, 6, toTwo), at(4, 5, readOne)}, Linearizable},
	{"a load beside an update sees the new", []Op{at(1, 2, created), at(3, 6, toTwo), at(4, 5, readTwo)}, Linearizable},
	{"of two updates one conflicts", []Op{at(1, 2, created), at(3, 6, toTwo), at(4, 5, Op{Kind: Update, Value: 3, Base: 10, Outcome: Conflict})}, Linearizable},
	{"an update beside a delete finds nothing", []Op{at(1, 2, created), at(3, 6, deleted), at(4, 5, Op{Kind: Update, Value: 2, Base: 10, Outcome: NotFound})}, Linearizable},
	{"of two creates one finds the other", []Op{at(1, 4, created), at(2, 3, Op{Kind: Create, Value: 2, Outcome: Exists})}, Linearizable},
	{"unknown, and it happened", one(created, lostTwo, readTwo), Linearizable},
	{"unknown, and it did not", one(created, lostTwo, readOne), Linearizable},
	{"unknown, and it happened late", one(created, lostTwo, readOne, readTwo), Linearizable},
	{"touch of a live session", one(created, Op{Kind: Touch}, readOne), Linearizable},

	{"lost update: two with one base", one(created, toTwo, toThree), Illegal},
	{"lost update, at the same time", []Op{at(1, 2, created), at(3, 6, toTwo), at(4, 5, toThree)}, Illegal},
	{"resurrection by update", one(created, deleted, toTwo), Illegal},
	{"live again after a delete", one(created, deleted, readOne), Illegal},
	{"stale read after an update", one(created, toTwo, readOne), Illegal},
	{"new, then old", []Op{at(1, 2, created), at(3, 10, toTwo), at(4, 5, readTwo), at(6, 7, readOne)}, Illegal},
	{"created twice", one(created, Op{Kind: Create, Value: 2, Rev: 20}), Illegal},
	{"not created although nothing was there", one(Op{Kind: Create, Value: 1, Outcome: Exists}), Illegal},
	{"conflict where a delete was quicker", one(created, deleted, Op{Kind: Update, Value: 2, Base: 10, Outcome: Conflict}), Illegal},
	{"conflict with nobody", one(created, Op{Kind: Update, Value: 2, Base: 10, Outcome: Conflict}), Illegal},
	{"not found although it is there", one(created, Op{Kind: Update, Value: 2, Base: 10, Outcome: NotFound}), Illegal},
	{"a value that nobody wrote", one(created, Op{Kind: Load, Value: 9, Rev: 10}), Illegal},
	{"one revision for two values", one(created, Op{Kind: Update, Value: 2, Base: 10, Rev: 10}), Illegal},
	{"two revisions for one value", one(created, Op{Kind: Load, Value: 1, Rev: 11}), Illegal},
	{"a touch of nothing", one(created, deleted, Op{Kind: Touch}), Illegal},
	{"a touch that misses", one(created, Op{Kind: Touch, Outcome: NotFound}), Illegal},
	{"unknown, applied twice", one(created, lostTwo, readTwo, Op{Kind: Update, Value: 3, Base: 20, Rev: 30}, readTwo), Illegal},
	{"unknown, before it was called", one(created, readTwo, lostTwo), Illegal},
	{"a missing session that was created", one(created, missing), Illegal},
}

func TestGoldenHistories(t *testing.T) {
	for _, g := range golden {
		if got := Check(g.ops, 100_000); got != g.want {
			t.Errorf("%s: got verdict %d, want %d", g.name, got, g.want)
			for _, o := range g.ops {
				t.Log(o)
			}
		}
	}
}

func TestOutOfStepsIsNeither(t *testing.T) {
	if got := Check(golden[2].ops, 1); got != Undecided {
		t.Errorf("got verdict %d after 1 step, want Undecided", got)
	}
}
