package linear_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/internal/linear"
)

// enough steps for every history that is decided here.
const enough = 200_000

// golden is a history with a known verdict.
type golden struct {
	name, why string
	ops       []linear.Op
}

func TestGoldenHistories(t *testing.T) {
	for _, file := range []struct {
		path  string
		want  linear.Verdict
		least int
	}{
		{"testdata/good.txt", linear.Linearizable, 12},
		{"testdata/bad.txt", linear.Illegal, 16},
	} {
		histories := readGolden(t, file.path)
		if len(histories) < file.least {
			t.Fatalf("%s has %d histories, want at least %d", file.path, len(histories), file.least)
		}
		for _, g := range histories {
			t.Run(g.name, func(t *testing.T) {
				if g.why == "" {
					t.Error("the history has no reason")
				}
				for i := range g.ops { // the sequence must not matter, so try some
					g.ops = append(g.ops[1:], g.ops[0])
					if got := linear.Check(g.ops, enough); got != file.want {
						t.Fatalf("turned by %d: got %v, want %v: %s\n%s", i+1, got, file.want, g.why, text(g.ops))
					}
				}
				if got := linear.Check(g.ops, enough); got != file.want {
					t.Errorf("got %v, want %v: %s\n%s", got, file.want, g.why, text(g.ops))
				}
			})
		}
	}
}

func TestStepsRunOut(t *testing.T) {
	for _, path := range []string{"testdata/good.txt", "testdata/bad.txt"} {
		for _, g := range readGolden(t, path) {
			want := linear.Check(g.ops, enough)
			for steps := range 100 {
				if got := linear.Check(g.ops, steps); got != want && got != linear.Undecided {
					t.Fatalf("%s: got %v after %d steps, and %v after %d", g.name, got, steps, want, enough)
				}
			}
			if got := linear.Check(g.ops, 100); got != want {
				t.Errorf("%s: got %v after 100 steps, want %v", g.name, got, want)
			}
		}
	}
	created := []linear.Op{{Kind: linear.Create, Call: 1, Return: 2, Value: 1, Rev: 1}}
	if got := linear.Check(created, 0); got != linear.Undecided {
		t.Errorf("without a step: got %v, want %v", got, linear.Undecided)
	}
}

func TestLongestHistory(t *testing.T) {
	var ops []linear.Op
	for i := range 65 {
		ops = append(ops, linear.Op{Kind: linear.Load, Outcome: linear.NotFound, Call: int64(2 * i), Return: int64(2*i + 1)})
	}
	if got := linear.Check(ops[:64], enough); got != linear.Linearizable {
		t.Errorf("64 calls: got %v, want %v", got, linear.Linearizable)
	}
	if got := linear.Check(ops, enough); got != linear.Undecided {
		t.Errorf("65 calls: got %v, want %v", got, linear.Undecided)
	}
	ops[63] = linear.Op{Kind: linear.Touch, Call: 126, Return: 127}
	if got := linear.Check(ops[:64], enough); got != linear.Illegal {
		t.Errorf("64 calls, the last one wrong: got %v, want %v", got, linear.Illegal)
	}
}

// readGolden reads a file of histories and sees to it that String prints each call
// as the file has it.
func readGolden(t *testing.T, path string) []golden {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []golden
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.Join(strings.Fields(lines.Text()), " ")
		name, isName := strings.CutPrefix(line, "== ")
		why, isWhy := strings.CutPrefix(line, "# ")
		switch {
		case isName:
			all = append(all, golden{name: name})
		case line == "" || len(all) == 0:
		case isWhy:
			all[len(all)-1].why = why
		default:
			op, err := parse(line)
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n, err)
			}
			if op.String() != line {
				t.Fatalf("%s:%d: String prints\n%s, want\n%s", path, n, op, line)
			}
			all[len(all)-1].ops = append(all[len(all)-1].ops, op)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// parse reads a call as Op.String prints it.
func parse(line string) (op linear.Op, err error) {
	head, call, _ := strings.Cut(line, ": ")
	call, answer, found := strings.Cut(call, " = ")
	if !found {
		return op, fmt.Errorf("%q is not a call: an answer", line)
	}
	if n, _ := fmt.Sscanf(head, "client %d %d-%d", &op.Client, &op.Call, &op.Return); n < 2 {
		return op, fmt.Errorf("%q is not a client and its stamps", head)
	}
	var verb string
	fmt.Sscan(call, &verb)
	if op.Kind, err = named(verb, linear.Load, linear.Create, linear.Update, linear.Touch, linear.Delete); err != nil {
		return op, err
	}
	fmt.Sscanf(call, verb+" value %d base %x", &op.Value, &op.Base)
	var outcome string
	fmt.Sscan(answer, &outcome)
	op.Outcome, err = named(outcome, linear.OK, linear.NotFound, linear.Exists, linear.Conflict, linear.Unknown)
	if op.Kind == linear.Load {
		fmt.Sscanf(answer, "ok value %d revision %x", &op.Value, &op.Rev)
	} else {
		fmt.Sscanf(answer, "ok revision %x", &op.Rev)
	}
	return op, err
}

func named[T fmt.Stringer](name string, all ...T) (T, error) {
	for _, v := range all {
		if v.String() == name {
			return v, nil
		}
	}
	return all[0], fmt.Errorf("nothing is called %q", name)
}

func text(ops []linear.Op) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintln(&b, op)
	}
	return b.String()
}
