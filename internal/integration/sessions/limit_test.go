package sessions_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// MaxPerOwner holds when the logins of an owner come at once, to several processes: where
// they are refused so many get in, where the oldest are ended so many are left, and at no
// moment is there one more.
func TestMaxPerOwnerAtOnce(t *testing.T) {
	const most, logins = 3, 12
	t.Parallel()
	servers(t, func(t *testing.T, p *place) {
		for _, oldest := range []bool{false, true} {
			t.Run(fmt.Sprintf("EndOldest=%v", oldest), func(t *testing.T) {
				all := p.sites(t, 4, config{Max: session.MaxPerOwner{N: most, EndOldest: oldest}})
				for round := range rounds(5, 100) {
					owner := fmt.Sprintf("owner-%v-%d", oldest, round)
					var refused, running atomic.Int32
					running.Store(logins)
					tabs := make([]tab, logins)
					atOnce(logins+1, func(i int) {
						if i == logins {
							for running.Load() > 0 {
								if n := len(owned(t, p.store, owner)); n > most {
									t.Errorf("%d sessions at a time, want at most %d", n, most)
								}
							}
							return
						}
						defer running.Add(-1)
						a, err := tabs[i].ask(t.Context(), all[i%len(all)], "login", "owner", owner)
						if err != nil {
							t.Errorf("login: %v", err)
						}
						if a.Over {
							refused.Add(1)
						}
						if a.Over != (a.cookie == "") {
							t.Errorf("refused: %v, a cookie: %v", a.Over, a.cookie != "")
						}
					})
					if n := int(refused.Load()); oldest && n != 0 || !oldest && n != logins-most {
						t.Errorf("%d of %d logins were refused", n, logins)
					}
					in := 0
					for i := range tabs {
						if a := tabs[i].must(t, all[0], "read"); !a.New {
							in++
						}
					}
					if n := len(owned(t, p.store, owner)); n != most || in != most {
						t.Errorf("%d sessions are listed and %d browsers are logged in, want exactly %d", n, in, most)
					}
				}
			})
		}
	})
}

// owned are the sessions of an owner, as a person sees them.
func owned(t *testing.T, s store.Store, owner string) []session.Info {
	t.Helper()
	m, err := session.New(s, &session.Options{Timeout: patience})
	if err != nil {
		t.Error(err)
		return nil
	}
	all, err := m.List(t.Context(), owner)
	if err != nil {
		t.Error(err)
	}
	return all
}
