package main

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// server is what a report says it was tested on, without what changes with every
// update of a package, which must not change the README.
type server struct {
	product string // "PostgreSQL"
	version string // "17"; "" where there is none
	rest    string // "behind PgBouncer 1.24"
}

var (
	brackets = regexp.MustCompile(`\s*\([^()]*\)`)
	number   = regexp.MustCompile(`^v?\d`)
	dotted   = regexp.MustCompile(`^v?(\d+(?:\.\d+)*)\.\d+[^,]*(,?)$`)
)

// parseServer drops what is in brackets, and the last part of each version and what
// follows it: "PostgreSQL 17.6 (Debian 17.6-0+deb13u1)" is PostgreSQL 17. A version of
// one part stays as it is, "18beta1" too.
func parseServer(s string) server {
	for brackets.MatchString(s) {
		s = brackets.ReplaceAllString(s, "")
	}
	words := strings.Fields(s)
	at := slices.IndexFunc(words, number.MatchString)
	for i, w := range words {
		words[i] = dotted.ReplaceAllString(w, "$1$2")
	}
	if at < 0 {
		return server{product: strings.Join(words, " ")}
	}
	return server{strings.Join(words[:at], " "), words[at], strings.Join(words[at+1:], " ")}
}

func (s server) String() string {
	return strings.Join(strings.Fields(s.product+" "+s.version+" "+s.rest), " ")
}

// compare orders by product, the bare ones first, then by version as a number.
func (s server) compare(o server) int {
	return cmp.Or(
		cmp.Compare(strings.ToLower(s.product), strings.ToLower(o.product)),
		cmp.Compare(s.product, o.product),
		cmp.Compare(s.rest, o.rest),
		slices.CompareFunc(strings.Split(s.version, "."), strings.Split(o.version, "."), compareParts),
	)
}

func compareParts(a, b string) int {
	n, errA := strconv.Atoi(a)
	m, errB := strconv.Atoi(b)
	if errA != nil || errB != nil {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(n, m)
}

// list is servers in one cell: "PostgreSQL 15, 17; PostgreSQL 17 behind PgBouncer 1.24".
func list(servers []server) string {
	servers = slices.SortedFunc(slices.Values(servers), server.compare)
	var entries []string
	for i, s := range servers {
		if i > 0 && s.rest == "" && s.product == servers[i-1].product && servers[i-1].version != "" {
			entries[len(entries)-1] += ", " + s.version
			continue
		}
		entries = append(entries, s.String())
	}
	return strings.Join(entries, "; ")
}
