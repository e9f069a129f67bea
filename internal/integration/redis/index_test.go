package redis_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// agree fails the test where an index and the records do not, and the store's listings
// differ from what is there.
func (x *space) agree(t *testing.T, s *redis.Store) (sessions int) {
	t.Helper()
	wrong, sessions := x.disagreements(t)
	for i, w := range wrong {
		if t.Error(w); i > 20 {
			t.Fatalf("and %d more", len(wrong)-i)
		}
	}
	all := map[string]map[string]bool{}
	for l, err := range s.List(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if all[l.Owner] == nil {
			all[l.Owner] = map[string]bool{}
		}
		all[l.Owner][l.ID] = true
	}
	for owner := range all {
		if owner == "" {
			continue
		}
		for l, err := range s.List(t.Context(), store.Query{Owner: owner}) {
			if err != nil {
				t.Fatal(err)
			}
			if !all[owner][l.ID] {
				t.Errorf("%s is listed as one of %q", l.ID, owner)
			}
			delete(all[owner], l.ID)
		}
		for id := range all[owner] {
			if _, err := s.Load(t.Context(), id); !errors.Is(err, store.ErrNotFound) { // it may have expired
				t.Errorf("%s is not listed as one of %q", id, owner)
			}
		}
	}
	return sessions
}

// REL-12: the server is killed at any moment of everything that moves sessions between
// owners. Each script has happened whole or not at all: the indexes agree with the
// records.
func TestIndexAfterKill(t *testing.T) {
	t.Parallel()
	rounds := 3
	if full() {
		rounds = 40
	}
	sv := server.New(t, server.Redis())
	x := newSpace(t, sv.URL())
	s := x.open(t, x.client)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		c := startChurn(t.Context(), s, fmt.Sprint(round), seed+uint64(round))
		calls := int64(1000 + rng.IntN(4000))
		c.await(t, func() bool { return c.done.Load() > calls })
		if n := c.failed.Load(); n > 0 {
			t.Errorf("%d calls failed before the kill", n)
		}
		if err := sv.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.await(t, func() bool { return c.failed.Load() > 0 })
		c.end()
		if err := sv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := back(t, s); err != nil {
			t.Fatal(err)
		}
		n := x.agree(t, s)
		t.Logf("seed %d, round %d: killed after %d calls, %d failed, %d sessions", seed, round, c.done.Load(), c.failed.Load(), n)
	}
	x.vanishes(t, s)
}

// back returns when the store answers again.
func back(t *testing.T, s *redis.Store) (err error) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		if err = s.Ping(t.Context()); err == nil {
			return nil
		}
	}
	return err
}

// The same without a kill, for every kind of server.
func TestIndexAgrees(t *testing.T) {
	for name, sv := range map[string]*server.Shared{"single": shared, "Valkey": valkey, "cluster": cluster} {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			s := x.open(t, x.client)
			seed := uint64(time.Now().UnixNano())
			c := startChurn(t.Context(), s, "a", seed)
			c.await(t, func() bool { return c.done.Load() > 5000 })
			c.end()
			if n := c.failed.Load(); n > 0 {
				t.Errorf("seed %d: %d calls failed", seed, n)
			}
			if n := x.agree(t, s); n < 100 {
				t.Errorf("%d sessions: this shows little", n)
			}
			x.vanishes(t, s)
		})
	}
}

// vanishes has what is there end, by itself and by every call that ends sessions, and
// wants the keyspace empty.
func (x *space) vanishes(t *testing.T, s *redis.Store) {
	t.Helper()
	gone := func(how string) {
		t.Helper()
		began, keys := time.Now(), x.left(t)
		for ; len(keys) > 0 && time.Since(began) < 20*time.Second; keys = x.left(t) {
			time.Sleep(10 * time.Millisecond) // keys of what has expired go when their time comes
		}
		if len(keys) > 0 {
			t.Errorf("when all %s, %d keys are left, like %s", how, len(keys), keys[0])
		}
	}
	ids := func() (out []string) {
		for l, err := range s.List(t.Context(), store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, l.ID)
		}
		return out
	}
	fill := func() {
		t.Helper()
		for n := range 100 {
			if _, err := s.Create(t.Context(), fmt.Sprint("fill-", n), store.Record{Owner: owners[n%len(owners)]}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range ids() {
		if err := s.Touch(t.Context(), id, time.Millisecond); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	gone("has expired")
	fill()
	for _, id := range ids() {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	gone("was deleted")
	fill()
	for _, o := range owners {
		if _, err := s.DeleteOwner(t.Context(), o); o != "" && err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids() {
		e, err := s.Load(t.Context(), id)
		if err != nil || e.Owner != "" {
			t.Errorf("%s of %q, %v, after all owners were deleted", id, e.Owner, err)
		}
		if _, err := s.Update(t.Context(), id, store.Record{Owner: "o"}, time.Hour, e.Revision); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DeleteOwner(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	gone("was deleted by its owner")
	fill()
	if err := s.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone("was cleared")
}
