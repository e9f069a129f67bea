package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func close1(t *T) {
	f := t.subject()
	if _, ok := store.As[io.Closer](f.s); !ok {
		t.doesNotApply("the store has no Close")
	}
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	p := f.peer()
	for range 2 {
		if err := store.Close(f.s); err != nil {
			t.Errorf("Close: %s", errText(err))
		}
	}
	for name, call := range f.every(id, v) {
		if err := call(f.client); can(err) {
			t.wantErr(name+" after Close", err, store.ErrClosed)
		}
	}
	if f.Client == nil {
		t.note("that the caller's client stays open: no Subject.Client")
	} else if err := f.Client(t.ctx); err != nil {
		t.Errorf("the caller's client after Close: %v", err)
	}
	if p != nil {
		p.holds("the other handle after Close of the first", id, r, v)
	}
}

func close2(t *T) {
	pkg, left := "", 0
	labelled(t.ctx, func(goroutines func(pkg string) int) {
		f := t.subject()
		pkg = packageOf(f.s)
		stores := []store.Store{f.s}
		if f.Sweeping != nil {
			s, err := f.Sweeping(t.ctx, func(error) {})
			f.must("Subject.Sweeping", err)
			f.other(s, "sweeping:")
			stores = append(stores, s)
		}
		for _, s := range stores {
			c := &client{t: t, s: s, ctx: t.ctx}
			id := t.newID()
			v := c.create(id, t.record("o"), hour)
			c.update(id, t.record("o"), hour, v)
			c.load(id)
			_, _ = c.List(store.Query{Owner: "o"})
			_, _ = c.Count()
			c.touch(id, 2*hour)
			c.delete(id)
			_, _ = c.Sweep()
			_, _ = c.DeleteOwner("o")
			c.must("Close", store.Close(s))
		}
		t.eventually(time.Second, func() bool { left = goroutines(pkg); return left == 0 })
	})
	if left > 0 {
		t.Errorf("%d goroutines of package %s are there a second after Close", left, pkg)
	}
}

const label = "sojourn-conformance"

var labels atomic.Int64

// labelled runs f so that the goroutines that it starts can be told from all
// others, since they inherit the label. goroutines counts those of them that are
// in, or were called from, a function of the package.
func labelled(ctx context.Context, f func(goroutines func(pkg string) int)) {
	n := fmt.Sprint(labels.Add(1))
	pprof.Do(ctx, pprof.Labels(label, n), func(context.Context) {
		f(func(pkg string) int { return countGoroutines(pkg, fmt.Sprintf("%q:%q", label, n)) })
	})
}

func countGoroutines(pkg, mine string) int {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)  // to memory: cannot fail
	_, stacks, _ := strings.Cut(b.String(), "\n") // behind the line with their number
	n := 0
	for block := range strings.SplitSeq(stacks, "\n\n") {
		if !strings.Contains(block, mine) || !strings.Contains(block, pkg+".") {
			continue
		}
		if strings.Contains(block, "conformance.countGoroutines") {
			continue // the check itself, if it runs in that package
		}
		var k int
		_, _ = fmt.Sscanf(strings.TrimSpace(block), "%d @", &k)
		n += k
	}
	return n
}

func size1(t *T) {
	f := t.subject()
	if f.MaxData == 0 {
		t.doesNotApply("the store states no limit (Subject.MaxData is 0)")
	}
	id := t.newID()
	full := store.Record{Data: bytes.Repeat(t.text(64), f.MaxData/64+1)[:f.MaxData]}
	v := f.create(id, full, hour)
	f.holds("at the limit", id, full, v)
	over := store.Record{Data: append(bytes.Clone(full.Data), 'x')}
	_, err := f.Update(id, over, hour, v)
	t.wantErr("Update over the limit", err, store.ErrTooLarge)
	f.holds("after the refused Update", id, full, v)
	f.left("after the refused Update", id, hour)
	full.Data = full.Data[1:]
	v = f.update(id, full, hour, v)
	f.holds("updated after the refused Update", id, full, v)
	fresh := t.newID()
	_, err = f.Create(fresh, over, hour)
	t.wantErr("Create over the limit", err, store.ErrTooLarge)
	f.gone("after the refused Create", fresh)
}
