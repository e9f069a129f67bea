//go:build skewed

package wrongclock

import (
	"os"
	"strings"
	"time"
)

// init is for the processes that Run starts, in which package time has a SetSkew.
func init() {
	var steps []time.Duration
	for _, text := range strings.Split(os.Getenv(variable), ",") {
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
