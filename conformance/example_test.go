package conformance_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/memory"
)

// open makes an empty store for each call, and says how time can be made to go by
// for it: here by its clock, for a database by one UPDATE.
func open(testing.TB) conformance.Subject {
	var gone atomic.Int64
	return conformance.Subject{
		Store: memory.New(&memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(gone.Load())) }}),
		Age:   func(_ context.Context, d time.Duration) error { gone.Add(int64(d)); return nil },
	}
}

// A backend's test is this, in its _test.go file.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T) {
		conformance.Run(t, open, conformance.Claim(conformance.Core, conformance.Listing), conformance.Strict())
	}
}

// Without go test: what a program can ask of a store before it trusts it.
func ExampleVerify() {
	rep := conformance.Verify(context.Background(), open, conformance.Only("CREATE-2|UPDATE-[23]"))
	for _, r := range rep.Results {
		fmt.Println(r.ID, r.Status)
	}
	// Output:
	// CREATE-2 pass
	// UPDATE-2 pass
	// UPDATE-3 pass
}

// BenchmarkStore of a backend is this.
func ExampleBench() {
	_ = func(b *testing.B) { conformance.Bench(b, open) }
}
