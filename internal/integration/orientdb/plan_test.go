package orientdb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/store"
)

// Each statement that looks for something does so by an index, but for what looks at every
// record: Count, and the listing of all, which goes on from a place.
func TestEveryStatementHasAnIndex(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	s := x.open(t, client)
	x.fill(t, 700, `id='s:n'+$i, owner='o:'+($i % 50), rev=7`, inAnHour)
	x.fill(t, 100, `id='s:old'+$i, owner='o:'+($i % 50), rev=7`, anHourAgo)
	v := verbs.Theirs(t, s)
	list := func(q store.Query) func() error {
		return func() error {
			for _, err := range s.List(t.Context(), q) {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		what       string
		call       func() error
		statements int
		plan       string // "" is an insert's, which looks for nothing
	}{
		{"load", func() error { _, err := s.Load(t.Context(), "a"); return err }, 1, "FETCH FROM INDEX {class}.id"},
		{"create", func() error { _, err := s.Create(t.Context(), "b", store.Record{}, hour); return err }, 1, ""},
		{"create in a place", func() error { _, err := s.Create(t.Context(), "old1", store.Record{}, hour); return err }, 4, "FETCH FROM INDEX {class}.id"},
		{"update", func() error { _, err := s.Update(t.Context(), "a", store.Record{Owner: "o"}, hour, v); return err }, 1, "FETCH FROM INDEX {class}.id"},
		{"update of nothing", func() error {
			if _, err := s.Update(t.Context(), "c", store.Record{Owner: "o"}, hour, v); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		}, 2, "FETCH FROM INDEX {class}.id"},
		{"touch", func() error { return s.Touch(t.Context(), "a", hour) }, 1, "FETCH FROM INDEX {class}.id"},
		{"delete", func() error { return s.Delete(t.Context(), "b") }, 1, "FETCH FROM INDEX {class}.id"},
		{"ping", func() error { return s.Ping(t.Context()) }, 1, "FETCH FROM INDEX {class}.id"},
		{"list", list(store.Query{Data: true}), 2, "FETCH FROM CLUSTER"},
		{"list of an owner", list(store.Query{Owner: "2"}), 1, "FETCH FROM INDEX {class}.owner"},
		{"count", func() error { _, err := s.Count(t.Context()); return err }, 2, "FETCH FROM CLUSTER"},
		{"sweep", func() error { _, err := s.Sweep(t.Context()); return err }, 2, "FETCH FROM INDEX {class}.due"},
		{"delete owner", func() error { _, err := s.DeleteOwner(t.Context(), "2"); return err }, 1, "FETCH FROM INDEX {class}.owner"},
		{"clear", func() error { return s.Clear(t.Context()) }, 4, "FETCH FROM INDEX {class}.due"},
	} {
		h.take()
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		sent := h.take()
		if len(sent) != c.statements {
			t.Errorf("%s is %d statements, want %d", c.what, len(sent), c.statements)
		}
		for _, e := range sent {
			plan := x.plan(t, e)
			insert := strings.HasPrefix(e.sql, "INSERT")
			wanted := strings.ReplaceAll(c.plan, "{class}", x.opts.Class)
			// Before what looks at all of them the server is asked for something.
			first := c.what == "count" && strings.Contains(e.sql, "id=:id")
			switch {
			case insert && strings.Contains(plan, "FETCH"), insert != strings.Contains(plan, "CREATE EMPTY RECORDS"):
				t.Errorf("%s: %s\n%s", c.what, e.sql, plan)
			case !insert && !first && !strings.Contains(plan, wanted):
				t.Errorf("%s: want %q in\n%s\n%s", c.what, wanted, e.sql, plan)
			case strings.Contains(plan, "FETCH FROM CLASS") != (strings.Contains(c.plan, "CLUSTER") && !first):
				t.Errorf("%s reads all records, or does not:\n%s\n%s", c.what, e.sql, plan)
			}
		}
	}
}

// plan is how the server would do what was sent.
func (x *class) plan(tb testing.TB, e exchange) string {
	tb.Helper()
	found := x.sql(tb, "EXPLAIN "+e.sql, e.params)
	if len(found) != 1 {
		tb.Fatalf("no plan: %v", found)
	}
	plan, _ := found[0]["executionPlanAsString"].(string)
	return plan
}
