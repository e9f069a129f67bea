//go:build skewed

package postgres_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// init is for the process that TestWrongClocks starts, in which package time has a
// SetSkew.
func init() {
	var steps []time.Duration
	for _, text := range strings.Split(os.Getenv(skewVar), ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		steps = append(steps, d)
	}
	time.SetSkew(steps[0])
	if len(steps) == 1 {
		return
	}
	go func() {
		for i := 1; ; i++ {
			time.Sleep(3 * time.Millisecond)
			time.SetSkew(steps[i%len(steps)])
		}
	}()
}

// TestSkew sees that the clock is wrong: the folder was made a moment ago, by the
// clock of the machine.
func TestSkew(t *testing.T) {
	for range 1000 {
		info, err := os.Stat(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if off := time.Since(info.ModTime()).Abs(); off > time.Minute {
			return
		}
	}
	t.Error("the clock is right")
}
