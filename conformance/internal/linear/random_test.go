package linear_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/internal/linear"
)

// Whatever a right register answers, to any overlapping of calls, is linearizable.
func TestRightRegister(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		clients, calls := 1+rng.IntN(5), 1+rng.IntN(12) // up to 60 calls
		ops := run(rng, clients, calls)
		if got := linear.Check(ops, enough); got != linear.Linearizable {
			t.Fatalf("seed %d: got %v, want %v\n%s", seed, got, linear.Linearizable, text(ops))
		}
	}
}

// On small histories, right ones and spoilt ones, Check and a trial of every order
// agree.
func TestAgreesWithEveryOrder(t *testing.T) {
	verdicts := map[linear.Verdict]int{}
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		clients := 1 + rng.IntN(3)
		ops := run(rng, clients, 6/clients)
		for range rng.IntN(3) {
			spoil(rng, ops)
		}
		want := linear.Illegal
		if anyOrder(ops) {
			want = linear.Linearizable
		}
		verdicts[want]++
		if got := linear.Check(ops, enough); got != want {
			t.Fatalf("seed %d: got %v, and a trial of every order says %v\n%s", seed, got, want, text(ops))
		}
	}
	t.Log(verdicts)
	for _, v := range []linear.Verdict{linear.Linearizable, linear.Illegal} {
		if verdicts[v] < 1000 {
			t.Errorf("only %d histories were %v: the test compares too little", verdicts[v], v)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 3))
	var right, wrong [][]linear.Op
	for len(right) < 100 || len(wrong) < 100 {
		ops := run(rng, 4, 5)
		spoil(rng, ops)
		if linear.Check(ops, enough) == linear.Illegal {
			wrong = append(wrong, ops)
		} else {
			right = append(right, ops)
		}
	}
	for name, histories := range map[string][][]linear.Op{"linearizable": right, "illegal": wrong} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				linear.Check(histories[i%len(histories)], enough)
			}
		})
	}
}

// register is what a session is when one call comes after another.
type register struct{ value, rev uint64 } // both 0 while nothing is live

func (r *register) apply(o *linear.Op, rev uint64) {
	live := r.value != 0
	switch {
	case o.Kind == linear.Delete:
		*r = register{}
	case o.Kind == linear.Create && live:
		o.Outcome = linear.Exists
	case o.Kind == linear.Create:
		*r = register{o.Value, rev}
		o.Rev = rev
	case !live:
		o.Outcome = linear.NotFound
	case o.Kind == linear.Update && o.Base != r.rev:
		o.Outcome = linear.Conflict
	case o.Kind == linear.Update:
		*r = register{o.Value, rev}
		o.Rev = rev
	case o.Kind == linear.Load:
		o.Value, o.Rev = r.value, r.rev
	}
}

// run has clients make so many calls each, one after another, on one register.
// Chance decides who does the next step: to call, to take effect, or to return.
// One call in eight is never answered; it takes effect once, some time, or never.
func run(rng *rand.Rand, clients, calls int) []linear.Op {
	const idle, called, applied = 0, 1, 2
	var (
		reg     register
		ops     []linear.Op
		late    []int // unanswered calls that have not taken effect
		at      = make([]int, clients)
		current = make([]int, clients)
		made    = make([]int, clients)
		seen    = []uint64{1} // revisions that somebody was told
		stamp   int64
	)
	happen := func(i int) {
		lost := ops[i].Outcome == linear.Unknown
		reg.apply(&ops[i], uint64(1000+i))
		if lost {
			ops[i].Outcome, ops[i].Rev = linear.Unknown, 0
			if ops[i].Kind == linear.Load {
				ops[i].Value = 0
			}
		}
	}
	for unfinished := clients * calls; unfinished > 0; {
		if len(late) > 0 && rng.IntN(6) == 0 {
			k := rng.IntN(len(late))
			happen(late[k])
			late = append(late[:k], late[k+1:]...)
			continue
		}
		c := rng.IntN(clients)
		switch i := current[c]; {
		case at[c] == idle && made[c] < calls:
			stamp++
			op := linear.Op{Client: c, Call: stamp, Kind: []linear.Kind{
				linear.Load, linear.Load, linear.Create, linear.Create,
				linear.Update, linear.Update, linear.Update, linear.Touch, linear.Delete,
			}[rng.IntN(9)]}
			if op.Kind == linear.Create || op.Kind == linear.Update {
				op.Value = uint64(len(ops) + 1)
			}
			if op.Kind == linear.Update {
				op.Base = seen[max(0, len(seen)-1-rng.IntN(3))]
			}
			made[c]++
			ops = append(ops, op)
			at[c], current[c] = called, len(ops)-1
			if rng.IntN(8) == 0 {
				ops[current[c]].Outcome = linear.Unknown
				if rng.IntN(3) > 0 {
					late = append(late, current[c])
				}
				at[c] = idle
				unfinished--
			}
		case at[c] == called:
			happen(i)
			at[c] = applied
		case at[c] == applied:
			stamp++
			ops[i].Return = stamp
			if ops[i].Rev != 0 {
				seen = append(seen, ops[i].Rev)
			}
			at[c] = idle
			unfinished--
		}
	}
	return ops
}

// spoil changes one thing in a history, which may or may not become illegal by it.
func spoil(rng *rand.Rand, ops []linear.Op) {
	a, b := &ops[rng.IntN(len(ops))], &ops[rng.IntN(len(ops))]
	switch rng.IntN(6) {
	case 0: // two loads read what the other one read, or one reads what was written
		if a.Kind == linear.Load && a.Outcome == linear.OK && b.Outcome == linear.OK && b.Rev != 0 {
			if b.Kind == linear.Load {
				b.Value, a.Value = a.Value, b.Value
				b.Rev, a.Rev = a.Rev, b.Rev
			} else {
				a.Value, a.Rev = b.Value, b.Rev
			}
		}
	case 1: // a refusal becomes another one
		if a.Outcome != linear.OK && a.Outcome != linear.Unknown {
			a.Outcome = []linear.Outcome{linear.NotFound, linear.Exists, linear.Conflict}[rng.IntN(3)]
		}
	case 2: // a success is refused, or the other way round
		switch {
		case a.Outcome == linear.OK:
			a.Outcome = []linear.Outcome{linear.NotFound, linear.Exists, linear.Conflict}[rng.IntN(3)]
		case a.Outcome != linear.Unknown && a.Kind != linear.Load:
			a.Outcome = linear.OK
			if a.Value != 0 {
				a.Rev = 5000 + a.Value
			}
		}
	case 3: // two calls change places
		a.Call, b.Call = b.Call, a.Call
		a.Return, b.Return = b.Return, a.Return
		if a.Outcome == linear.Unknown || b.Outcome == linear.Unknown {
			a.Call, b.Call = b.Call, a.Call
			a.Return, b.Return = b.Return, a.Return
		}
	case 4: // a reply is lost
		a.Outcome = linear.Unknown
	case 5: // an update names another base
		if a.Kind == linear.Update && b.Rev != 0 {
			a.Base = b.Rev
		}
	}
}

// anyOrder tries every order of the answered calls, with every choice of unanswered
// ones among them. It shares nothing with Check but the model.
func anyOrder(ops []linear.Op) bool {
	revs := map[uint64]uint64{} // what Check is told about revisions, found anew
	for _, o := range ops {
		if o.Outcome == linear.OK && o.Rev != 0 {
			if r, ok := revs[o.Value]; ok && r != o.Rev {
				return false
			}
			revs[o.Value] = o.Rev
		}
	}
	owner := map[uint64]uint64{}
	for v, r := range revs {
		if _, ok := owner[r]; ok {
			return false
		}
		owner[r] = v
	}
	order := make([]linear.Op, 0, len(ops))
	used := make([]bool, len(ops))
	var try func() bool
	try = func() bool {
		if complete(ops, used) && legal(order, revs) {
			return true
		}
		for i, o := range ops {
			if used[i] {
				continue
			}
			used[i] = true
			order = append(order, o)
			if try() {
				return true
			}
			used[i] = false
			order = order[:len(order)-1]
		}
		return false
	}
	return try()
}

func complete(ops []linear.Op, used []bool) bool {
	for i, o := range ops {
		if !used[i] && o.Outcome != linear.Unknown {
			return false
		}
	}
	return true
}

// legal reports whether the calls in this order respect the clock, and get from a
// register the answers that they got.
func legal(order []linear.Op, revs map[uint64]uint64) bool {
	var reg register
	for i, o := range order {
		for _, later := range order[i+1:] {
			if later.Outcome != linear.Unknown && later.Return < o.Call {
				return false
			}
		}
		rev, known := revs[o.Value]
		if !known {
			rev = 1<<40 + o.Value // a revision that nobody was told
		}
		answer := linear.Op{Kind: o.Kind, Value: o.Value, Base: o.Base}
		if o.Kind == linear.Delete && o.Outcome == linear.NotFound && reg.value == 0 {
			continue
		}
		reg.apply(&answer, rev)
		if o.Outcome == linear.Unknown {
			continue // whatever it would have been told
		}
		if answer.Outcome != o.Outcome || o.Outcome == linear.OK && (answer.Value != o.Value || answer.Rev != o.Rev) {
			return false
		}
	}
	return true
}
