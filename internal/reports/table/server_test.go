package main

import (
	"math/rand/v2"
	"testing"
)

func TestServers(t *testing.T) {
	for name, c := range map[string]struct {
		servers []string
		want    string
	}{
		"two parts":              {[]string{"PostgreSQL 17.12"}, "PostgreSQL 17"},
		"three parts":            {[]string{"Redis 8.0.2"}, "Redis 8.0"},
		"one part":               {[]string{"Valkey 8"}, "Valkey 8"},
		"a v":                    {[]string{"Server v1.24.1"}, "Server 1.24"},
		"two words":              {[]string{"Some Server 3.2.36"}, "Some Server 3.2"},
		"a number in the name":   {[]string{"H2 2.2.224"}, "H2 2.2"},
		"a beta":                 {[]string{"PostgreSQL 18beta1"}, "PostgreSQL 18beta1"},
		"a suffix":               {[]string{"stand-in 0.5.3-beta.193"}, "stand-in 0.5"},
		"no digits":              {[]string{"the process itself"}, "the process itself"},
		"brackets":               {[]string{"PostgreSQL 17.6 (Debian 17.6-0+deb13u1)"}, "PostgreSQL 17"},
		"brackets in brackets":   {[]string{"PostgreSQL 17.6 (a (b) c) x"}, "PostgreSQL 17 x"},
		"brackets before":        {[]string{"PostgreSQL (Debian 13) 17.6"}, "PostgreSQL 17"},
		"brackets without end":   {[]string{"PostgreSQL 17.6 (Debian"}, "PostgreSQL 17 (Debian"},
		"behind":                 {[]string{"PostgreSQL 17.12 (Debian 17.12-1) behind PgBouncer 1.24.1"}, "PostgreSQL 17 behind PgBouncer 1.24"},
		"a comma after":          {[]string{"PostgreSQL 17.12 on x86_64, compiled by gcc 14.2.0, 64-bit"}, "PostgreSQL 17 on x86_64, compiled by gcc 14.2, 64-bit"},
		"spaces":                 {[]string{"  Redis   8.0.2 "}, "Redis 8.0"},
		"sorted by number":       {[]string{"PostgreSQL 17.1", "PostgreSQL 9.6.2", "PostgreSQL 18.0", "PostgreSQL 10.3"}, "PostgreSQL 9.6, 10, 17, 18"},
		"sorted by every number": {[]string{"Redis 7.10.0", "Redis 7.2.9", "Redis 7.9.1"}, "Redis 7.2, 7.9, 7.10"},
		"two products":           {[]string{"Valkey 8.1.1", "Redis 8.0.2", "Redis 7.0.15"}, "Redis 7.0, 8.0; Valkey 8.1"},
		"behind is its own": {
			[]string{"PostgreSQL 17.2 behind PgBouncer 1.24.1", "PostgreSQL 18.1", "PostgreSQL 15.9", "PostgreSQL 17.2", "PostgreSQL 17.2 behind PgBouncer 1.18.0"},
			"PostgreSQL 15, 17, 18; PostgreSQL 17 behind PgBouncer 1.18; PostgreSQL 17 behind PgBouncer 1.24",
		},
		"behind, two versions": {[]string{"A 2.1 behind B 1.1", "A 10.1 behind B 1.1"}, "A 2 behind B 1; A 10 behind B 1"},
		"with and without":     {[]string{"Redis 8.0.2", "Redis", "Redis 7.0.1"}, "Redis; Redis 7.0, 8.0"},
		"no version, twice":    {[]string{"local disk", "tmpfs"}, "local disk; tmpfs"},
	} {
		var servers []server
		for _, s := range c.servers {
			servers = append(servers, parseServer(s))
		}
		for range 5 {
			rand.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
			if got := list(servers); got != c.want {
				t.Errorf("%s: %q is %q, want %q", name, servers, got, c.want)
				break
			}
		}
	}
}
