package conformance_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/sojourn-go/sojourn/conformance"
)

func broken(rep conformance.Report) []string {
	var ids []string
	for _, r := range rep.Results {
		if r.Status == conformance.Fail {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// TestSelf is the suite's own test: one right store that breaks nothing, and
// wrong ones that each break just what is listed for them. It prints which. In a
// bubble the server's delays and the timeouts take no time.
func TestSelf(t *testing.T) {
	t.Parallel() // beside those that wait for what hangs
	// A quarter of the time goes to the collector, since each store throws away its megabytes and
	// little lives. What LIST-3 weighs is what is left when it has been called.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	rep := conformance.VerifyInBubble(t, world(""), nil)
	for _, r := range rep.Results {
		if r.Status != conformance.Pass || len(r.Notes) > 0 {
			t.Errorf("the right store: %v %s", r.Notes, r.Explain())
		}
	}
	if len(rep.Levels) != len(conformance.Levels()) || rep.Err != "" {
		t.Errorf("the right store reaches %v, %s", rep.Levels, rep.Err)
	}

	got := verifyAll(t)
	caught, hit := 0, map[string]bool{}
	table := &strings.Builder{}
	tw := tabwriter.NewWriter(table, 0, 0, 2, ' ', 0)
	for i, w := range wrong {
		breaks := broken(got[i])
		fmt.Fprintf(tw, "%s\t%s\n", w.bug, strings.Join(breaks, " "))
		if len(breaks) > 0 {
			caught++
		}
		for _, id := range breaks {
			hit[id] = true
		}
		if want := strings.Fields(w.breaks); !slices.Equal(breaks, want) {
			t.Errorf("%s\n  breaks: %v\n  listed: %v\n%s", w.bug, breaks, want, differences(got[i], want))
		}
	}
	all := conformance.Requirements()
	for _, r := range all {
		if !hit[r.ID] {
			t.Errorf("no wrong store breaks %s: it is not a test", r.ID)
		}
	}
	_ = tw.Flush()
	fmt.Printf("%sself-test: %d of %d wrong stores caught, %d of %d requirements broken\n", table, caught, len(wrong), len(hit), len(all))
}

// verifyAll runs the suite against every wrong store, several at a time. One that
// breaks LIST-3 is weighed by what the process has in memory, and runs alone.
func verifyAll(t *testing.T) []conformance.Report {
	reports := make([]conformance.Report, len(wrong))
	queue := make(chan int, len(wrong))
	for i, w := range wrong {
		if strings.Contains(w.breaks, "LIST-3") {
			reports[i] = conformance.VerifyInBubble(t, world(w.bug), nil)
		} else {
			queue <- i
		}
	}
	close(queue)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range queue {
				reports[i] = conformance.VerifyInBubble(t, world(wrong[i].bug), nil)
			}
		})
	}
	wg.Wait()
	return reports
}

// differences explains what fails and should not, and what should and does not.
func differences(rep conformance.Report, want []string) string {
	var b strings.Builder
	for _, r := range rep.Results {
		if fails := r.Status == conformance.Fail; fails != slices.Contains(want, r.ID) {
			b.WriteString(r.Explain())
		}
	}
	return b.String()
}

// TestWrongStoresAreThere sees to it that each name in the list is one that the
// reference asks for, and the other way round: a bug that is misspelt is none.
func TestWrongStoresAreThere(t *testing.T) {
	files, err := filepath.Glob("self_*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			var lit ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "is" && len(n.Args) == 1 {
					lit = n.Args[0]
				}
			case *ast.BinaryExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "bug" {
					lit = n.Y
				}
			}
			if b, ok := lit.(*ast.BasicLit); ok {
				bug, _ := strconv.Unquote(b.Value)
				asked[bug] = true
			}
			return true
		})
	}
	for i, w := range wrong {
		if !asked[w.bug] {
			t.Errorf("%q is in the list, and the reference never asks for it", w.bug)
		}
		if slices.IndexFunc(wrong, func(o struct{ bug, breaks string }) bool { return o.bug == w.bug }) != i {
			t.Errorf("%q is twice in the list", w.bug)
		}
		delete(asked, w.bug)
	}
	for bug := range asked {
		t.Errorf("the reference asks for %q, which is not in the list", bug)
	}
}
