package main

import (
	"context"
	"errors"
	"testing"
)

func TestCallsStopAtTheFirstError(t *testing.T) {
	var f failure
	wrong := errors.New("wrong")
	calls := 0
	b := f.calls(4, 400, func(g, i int) error {
		if calls++; i < g*100 || i >= (g+1)*100 {
			t.Errorf("goroutine %d is given session %d", g, i)
		}
		if calls == 50 {
			return wrong
		}
		return nil
	})
	for g := range 4 {
		b(g, 20)
	}
	if calls != 50 || f.err() != wrong {
		t.Errorf("%d calls and %v, want 50 and the error", calls, f.err())
	}
}

// A verb that fails is not called again, nor is what it needs made, however short a block
// then takes.
func TestVerbStopsAtTheFirstError(t *testing.T) {
	wrong := errors.New("wrong")
	for name, c := range map[string]struct{ ours, hand, ready error }{
		"ours": {ours: wrong}, "by hand": {hand: wrong}, "ready": {ready: wrong},
	} {
		readied := 0
		v := verb{
			what: "it", goroutines: 4, of: 8,
			ours:  func(context.Context, int) error { return c.ours },
			hand:  func(context.Context, int) error { return c.hand },
			ready: func(int) error { readied++; return c.ready },
		}
		if lines, err := v.compare(1); err != wrong || lines != nil {
			t.Errorf("%s: %d lines, %v", name, len(lines), err)
		}
		if readied == 0 || name != "ours" && readied != 1 {
			t.Errorf("%s: made ready %d times", name, readied)
		}
	}
}

// Both limits are measured, one of them with calls that are bounded; ours is given the
// context of a request.
func TestVerbIsComparedWithBothLimits(t *testing.T) {
	bounded, unbounded := 0, 0
	v := verb{
		what: "it", goroutines: 1, of: 1, must: 1.5,
		ours: func(ctx context.Context, _ int) error {
			if _, ok := ctx.Deadline(); ok || ctx.Done() == nil {
				return errors.New("not the context of a request")
			}
			return nil
		},
		hand: func(ctx context.Context, _ int) error {
			if _, ok := ctx.Deadline(); ok {
				bounded++
			} else {
				unbounded++
			}
			return nil
		},
	}
	lines, err := v.compare(1)
	if err != nil || len(lines) != 2 || bounded == 0 || unbounded == 0 {
		t.Fatalf("%d lines, %v, %d bounded calls, %d without a bound", len(lines), err, bounded, unbounded)
	}
	if lines[0].what != "it, 1 goroutine, the limit without a bound" || lines[1].what != "it, 1 goroutine, the limit bounded" || lines[1].target != "x1.5" {
		t.Errorf("the lines are %+v", lines)
	}
}
