package sessions_test

import (
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/session"
)

// fill leaves in the store what sessions can be: a visitor's, renewed ones with the records
// of before, those of owners with and without a limit, and what is left of ended ones.
func fill(t *testing.T, p *place) {
	t.Helper()
	plain, limited := p.site(t, config{}), p.site(t, config{Max: session.MaxPerOwner{N: 2, EndOldest: true}})
	atOnce(5, func(n int) {
		for _, verbs := range [][]string{
			{"visit"},
			{"renew"},
			{"grace", "visit"},
			{"login", "grace", "touch"},
			{"login", "renew", "visit", "grace"},
			{"grace", "logout"},
			{"login", "logout"},
		} {
			for _, s := range []*site{plain, limited} {
				var b tab
				b.must(t, s, "begin", "lineage", dump.Data+fmt.Sprint(n))
				for _, verb := range verbs {
					b.must(t, s, verb, "owner", fmt.Sprint("owner-", n))
				}
			}
		}
	})
}

// given are the ids that browsers have got so far, from all tests here.
func given() []string {
	ids.Lock()
	defer ids.Unlock()
	return slices.Clone(ids.all)
}

// SEC-04: what pg_dump gives out has nowhere what is in any browser's cookie, whatever the
// manager has written: sessions, forwards, handles, locks.
func TestSEC04DumpOfPostgres(t *testing.T) {
	t.Parallel()
	sv := sharedPostgres.Container(t)
	p := onPostgres(t, nil)
	fill(t, p)
	text, err := sv.Exec(t.Context(), "pg_dump", "-U", "sojourn", "-d", "sojourn", "-t", p.options.Table, "--inserts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, hex.EncodeToString([]byte(dump.Data))) {
		t.Fatalf("the dump does not hold the sessions' data:\n%s", text)
	}
	dump.Search(t, "the dump", text, given())
}

// SEC-04: likewise the log of all that was ever sent to Redis, by all tests here.
func TestSEC04LogOfRedis(t *testing.T) {
	t.Parallel()
	sv := sharedRedis.Container(t)
	p := onRedis(t, nil)
	fill(t, p)
	c := redistest.Client(t, sv.URL(), nil).(*goredis.Client)
	config := func(name string) string {
		t.Helper()
		out, err := c.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		return out[name]
	}
	files := path.Join(config("dir"), config("appenddirname"), "*")
	all := given()
	// The server writes to its files before it answers; only the disk is a second later.
	for began := time.Now(); ; {
		text, err := sv.Exec(t.Context(), "sh", "-c", "cat "+files)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text, dump.Data); n > 20 {
			dump.Search(t, "the log", text, all)
			t.Logf("%d ids are nowhere in %d KiB", len(all), len(text)>>10)
			return
		} else if time.Since(began) > patience {
			t.Fatalf("the log holds the data of %d sessions", n)
		}
	}
}
