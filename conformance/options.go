package conformance

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"
)

// Option changes a run.
type Option func(*config)

type config struct {
	edition string
	strict  bool
	levels  []Level
	waivers map[string]waiver
	seed    uint64
	only    *regexp.Regexp
	limit   time.Duration
	bubble  bool
	reports []func(Report)
	err     error
}

type waiver struct {
	why   string
	until time.Time // zero: for ever
}

func configure(opts []Option) config {
	c := config{edition: Latest, seed: rand.Uint64(), limit: time.Minute, waivers: map[string]waiver{}}
	for _, o := range opts {
		o(&c)
	}
	return c
}

func (c *config) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("conformance: "+format, args...)
	}
}

// Edition says which frozen list of requirements the store is held to, like
// "2026.1"; the default is [Latest]. A requirement that is newer runs and is
// reported as new, and never fails the run.
func Edition(name string) Option { return func(c *config) { c.edition = name } }

// Strict turns a skip, and a check that could not be decided, into a failure, for
// the levels that the store is held to (see [Claim]).
func Strict() Option { return func(c *config) { c.strict = true } }

// Claim says which levels the store is held to; the default is all. A
// requirement of another level is not run.
func Claim(levels ...Level) Option {
	return func(c *config) {
		for _, l := range levels {
			if !slices.Contains(Levels(), l) {
				c.refuse("there is no level %q", l)
			}
		}
		c.levels = levels
	}
}

// Waive says that the store breaks a requirement, and why. It runs all the same
// and is printed; the run fails when it passes, and when the day until, like
// "2027-06-30", is over. An until of "" is for what will not change.
func Waive(id, why, until string) Option {
	return func(c *config) {
		if _, ok := find(id); !ok {
			c.refuse("waiver of %q: there is no such requirement", id)
		}
		if why == "" {
			c.refuse("waiver of %s: it wants a reason", id)
		}
		w := waiver{why: why}
		if until != "" {
			day, err := time.Parse(time.DateOnly, until)
			if err != nil {
				c.refuse("waiver of %s: the day it ends reads like 2027-06-30: %v", id, err)
			}
			w.until = day.AddDate(0, 0, 1)
		}
		c.waivers[id] = w
	}
}

// Seed makes a run choose the data and the order of an earlier one, whose report
// names it.
func Seed(n uint64) Option { return func(c *config) { c.seed = n } }

// Only runs the requirements whose id matches the expression.
func Only(expr string) Option {
	return func(c *config) {
		re, err := regexp.Compile("^(?:" + expr + ")$")
		if err != nil {
			c.refuse("%v", err)
		}
		c.only = re
	}
}

// Limit is the longest that one requirement may take; the default is a minute.
func Limit(d time.Duration) Option { return func(c *config) { c.limit = d } }

// InBubble runs the whole suite in one [testing/synctest] bubble, in which
// waiting costs no time: for a store that asks no server. Only [Run] takes it.
func InBubble() Option { return func(c *config) { c.bubble = true } }

// OnReport hands the report of the run to f.
func OnReport(f func(Report)) Option { return func(c *config) { c.reports = append(c.reports, f) } }
