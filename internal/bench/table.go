package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// line is a row of the table. A cell that does not apply is "", as is the target of
// what is only shown.
type line struct {
	what, ours, limit, ratio, noise, allocs, target string
	reached                                         bool
}

// target is what a comparison must reach.
type target struct {
	ratio  float64 // ours is at most so many times the limit; 0 is not asked
	allocs float64 // and allocates at most so many times more often in a call; below 0 is not asked
}

func (r result) line(what string, t target) line {
	l := line{
		what:   what,
		ours:   duration(r.ours),
		limit:  duration(r.limit),
		ratio:  fmt.Sprintf("%.2f", r.ratio),
		noise:  fmt.Sprintf("%.2f (%.2f to %.2f)", r.noise, r.noiseLow, r.noiseHigh),
		allocs: fmt.Sprintf("%.4g / %.4g", r.oursAllocs, r.limitAllocs),
	}
	if t.ratio == 0 {
		return l
	}
	l.target, l.reached = fmt.Sprintf("x%g", t.ratio), r.ratio <= t.ratio
	if t.allocs >= 0 {
		l.target += fmt.Sprintf(", %g allocs more", t.allocs)
		l.reached = l.reached && r.oursAllocs <= r.limitAllocs+t.allocs
	}
	return l
}

func duration(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	}
	return fmt.Sprintf("%.1f ms", float64(d)/1e6)
}

// head explains the columns under it.
const head = `| what | ours | limit | ratio | A/A (8 of 10) | allocs ours / limit | must be | reached |
| --- | --- | --- | --- | --- | --- | --- | --- |
`

func (l line) write(w io.Writer) error {
	reached := ""
	switch {
	case l.reached:
		reached = "yes"
	case l.target != "":
		reached = "**no**"
	}
	_, err := fmt.Fprintf(w, "| %s |\n", strings.Join([]string{l.what, l.ours, l.limit, l.ratio, l.noise, l.allocs, l.target, reached}, " | "))
	return err
}
