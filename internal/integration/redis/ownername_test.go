package redis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// Owners and ids that look like patterns, tags or keys of this package are what they are.
func TestOwnerNames(t *testing.T) {
	names := []string{
		"{a}", "{", "}", "}s:x", "000}s:x", "a}s:b", "}o:x", "{slots}", "*", "?", "???", "[a-z]", "\\", "a b", " ", "ü", "%s", "o:", "s:", ":",
	}
	ids := func(t *testing.T, s *redis.Store, q store.Query) (out []string) {
		t.Helper()
		for l, err := range s.List(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, l.ID)
		}
		slices.Sort(out)
		return out
	}
	bothKinds(t, func(t *testing.T, x *space) {
		s := x.open(t, x.client)
		want := map[string][]string{}
		var all []string
		for i, owner := range names {
			for n := range 3 {
				id := fmt.Sprintf("%d-%d", i, n)
				if n == 0 && store.CheckID(owner) == nil {
					id = owner
				}
				if _, err := s.Create(t.Context(), id, store.Record{Owner: owner}, time.Hour); err != nil {
					t.Fatal(err)
				}
				want[owner], all = append(want[owner], id), append(all, id)
			}
			slices.Sort(want[owner])
		}
		for _, owner := range names {
			slices.Sort(all)
			if got := ids(t, s, store.Query{}); !slices.Equal(got, all) {
				t.Fatalf("there are %q, want %q", got, all)
			}
			if n, err := s.Count(t.Context()); n != len(all) || err != nil {
				t.Errorf("%d are counted, want %d, %v", n, len(all), err)
			}
			if got := ids(t, s, store.Query{Owner: owner}); !slices.Equal(got, want[owner]) {
				t.Errorf("%q has %q, want %q", owner, got, want[owner])
			}
			if n, err := s.DeleteOwner(t.Context(), owner); n != 3 || err != nil {
				t.Errorf("of %q %d were ended, %v, want 3", owner, n, err)
			}
			all = slices.DeleteFunc(all, func(id string) bool { return slices.Contains(want[owner], id) })
			x.agree(t, s)
		}
		if keys := x.left(t); len(keys) > 0 {
			t.Errorf("%v is left", keys)
		}
	})
}
