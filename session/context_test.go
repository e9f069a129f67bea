package session

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/memory"
)

type valueKey struct{}

// It behaves as a context of WithDeadline does, whatever is asked of it first.
func TestBoundedContext(t *testing.T) {
	first := map[string]func(ctx context.Context){
		"nothing": func(context.Context) {},
		"Done":    func(ctx context.Context) { ctx.Done() },
		"Err":     func(ctx context.Context) { _ = ctx.Err() },
		"Value":   func(ctx context.Context) { ctx.Value(valueKey{}) },
	}
	for what, ask := range first {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := New(memory.New(nil), nil)
				if err != nil {
					t.Fatal(err)
				}
				request, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "v"))
				ctx, stop := m.storeContext(request)
				defer stop()
				ask(ctx)
				if timed := ctx.(*bounded).timed != nil; timed != (what == "Done") {
					t.Errorf("a timer was started: %v", timed)
				}
				cancel() // the client goes away
				before := runtime.NumGoroutine()
				child, cancelChild := context.WithTimeout(ctx, time.Hour)
				defer cancelChild()
				if n := runtime.NumGoroutine(); n != before {
					t.Errorf("a child costs %d goroutines", n-before)
				}
				end, ok := ctx.Deadline()
				if ctx.Err() != nil || child.Err() != nil || ctx.Value(valueKey{}) != "v" || child.Value(valueKey{}) != "v" || !ok || time.Until(end) != 2*time.Second {
					t.Errorf("at first: %v, %v, deadline %v", ctx.Err(), child.Err(), end)
				}
				<-child.Done()
				if time.Until(end) != 0 || !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(ctx.Err(), context.DeadlineExceeded) ||
					!errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
					t.Errorf("%v after the deadline: %v, %v", -time.Until(end), ctx.Err(), child.Err())
				}
			})
			synctest.Test(t, func(t *testing.T) {
				m, _ := New(memory.New(nil), nil)
				ctx, stop := m.storeContext(t.Context())
				ask(ctx)
				time.Sleep(3 * time.Second)
				for range 2 {
					if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
						t.Errorf("3 s later: %v", ctx.Err())
					}
				}
				stop()
				<-ctx.Done()

				ctx, stop = m.storeContext(t.Context())
				ask(ctx)
				stop()
				<-ctx.Done()
				if !errors.Is(ctx.Err(), context.Canceled) {
					t.Errorf("stopped: %v", ctx.Err())
				}
			})
		})
	}
}
