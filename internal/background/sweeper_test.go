package background_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/internal/background"
)

// It sweeps after half to one and a half of the time, never in step, and goes on after an
// error.
func TestSweeper(t *testing.T) {
	for every, mean := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var s background.Sweeper
			var gaps []time.Duration
			last, told := time.Now(), 0
			failed := errors.New("failed")
			s.Start(every, func(context.Context) error {
				gaps = append(gaps, time.Since(last))
				last = time.Now()
				return failed
			}, func(err error) {
				if err != failed {
					t.Errorf("told %v", err)
				}
				told++
			})
			time.Sleep(100 * mean)
			s.End()
			n := len(gaps)
			if n < 60 || told < n-1 || told > n {
				t.Errorf("every %v: %d sweeps in 100 times, %d errors told", every, n, told)
			}
			different := map[time.Duration]bool{}
			for _, g := range gaps {
				different[g] = true
				if g < mean/2 || g > mean*3/2 {
					t.Errorf("every %v: %v between two", every, g)
				}
			}
			if len(different) < n/2 {
				t.Errorf("every %v: in step, %v", every, gaps)
			}
			time.Sleep(10 * mean)
			if len(gaps) != n {
				t.Error("it swept after its end")
			}
			s.End()
		})
	}
}

// End waits for a sweep, whose error is then nobody's concern.
func TestSweeperEndsAmid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s background.Sweeper
		begun, over := make(chan struct{}), false
		s.Start(1, func(ctx context.Context) error {
			close(begun)
			<-ctx.Done()
			time.Sleep(time.Second)
			over = true
			return ctx.Err()
		}, func(err error) { t.Errorf("told %v", err) })
		<-begun
		s.End()
		if !over {
			t.Error("End did not wait")
		}
	})
}

func TestSweeperOff(t *testing.T) {
	for _, every := range []time.Duration{-1, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var s background.Sweeper
			s.Start(every, func(context.Context) error { t.Error("it swept"); return nil }, nil)
			time.Sleep(24 * time.Hour)
			s.End()
		})
	}
	var s background.Sweeper
	s.End() // never started
}

// Nobody needs to be told.
func TestSweeperTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s background.Sweeper
		n := 0
		s.Start(10*time.Millisecond, func(context.Context) error { n++; return errors.New("failed") }, nil)
		time.Sleep(time.Second)
		s.End()
		if n < 2 {
			t.Errorf("%d sweeps", n)
		}
	})
}
