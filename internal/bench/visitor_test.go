package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestSupplyIsRestored(t *testing.T) {
	there := map[string]bool{} // what a call wants
	made := 0
	s := &supply{
		fresh: func(n int) []visitor {
			made += n
			all := make([]visitor, n)
			for i, id := range newIDs(n) {
				all[i].id = id
			}
			return all
		},
		restore: func(used []visitor) error {
			for _, v := range used {
				if there[v.id] {
					t.Errorf("%s is restored, and was not used", v.id)
				}
				there[v.id] = true
			}
			return nil
		},
	}
	for _, n := range []int{3, 3, 1, 5, 2, 0} {
		if err := s.ready(n); err != nil {
			t.Fatal(err)
		}
		for range n {
			if v := s.take(); !there[v.id] {
				t.Fatalf("%s was taken, and is used up", v.id)
			} else {
				there[v.id] = false
			}
		}
	}
	if made != 5 {
		t.Errorf("%d were made, want 5", made)
	}
	wrong := errors.New("wrong")
	s.restore = func([]visitor) error { return wrong }
	if err := s.ready(1); err != wrong {
		t.Errorf("a restore that fails: %v", err)
	}
}

// fakeSide keeps sessions, and notes what is wrong with those that a verb is given.
func fakeSide(t *testing.T, name string) side {
	there := map[string]bool{}
	set := func(is bool) func(all []visitor) error {
		return func(all []visitor) error {
			for _, v := range all {
				there[v.id] = is
			}
			return nil
		}
	}
	return side{put: set(true), remove: set(false), call: func(_ context.Context, v *visitor) error {
		if v.owner == "" || there[v.id] == (name == "create") {
			t.Errorf("%s of %+v, which is there: %v", name, v, there[v.id])
		}
		there[v.id] = name != "delete"
		return nil
	}}
}

// Each side has sessions of its own, which are there, or for a create are not.
func TestBetweenHasSessionsAsTheVerbWantsThem(t *testing.T) {
	for _, name := range []string{"load", "create", "update", "touch", "delete"} {
		var g guests
		v := verb{of: 4}
		if err := v.between(name, func(n int) []visitor { return g.visitors(n, true) }, fakeSide(t, name), fakeSide(t, name)); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{4, 2, 4} {
			if v.ready != nil {
				if err := v.ready(n); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				if err := errors.Join(v.ours(t.Context(), i), v.hand(t.Context(), i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	wrong := errors.New("wrong")
	none := func([]visitor) error { return nil }
	fails := side{put: func([]visitor) error { return wrong }}
	for _, sides := range [][2]side{{fails, {put: none}}, {{put: none}, fails}} {
		v := verb{of: 4}
		if err := v.between("load", func(n int) []visitor { return make([]visitor, n) }, sides[0], sides[1]); err != wrong {
			t.Errorf("a put that fails: %v", err)
		}
	}
}

func TestVerbRows(t *testing.T) {
	var measured []string
	rows := verbRows("it", func(name string, owned bool, _, _ int) ([]line, error) {
		measured = append(measured, name+", "+whose(owned))
		return nil, nil
	})
	for i, r := range rows {
		if _, err := r.measure(1); err != nil {
			t.Fatal(err)
		}
		if want := "it, " + measured[i] + ", 1 goroutine"; i < 10 && r.name != want {
			t.Errorf("row %q measures %q", r.name, want)
		}
	}
	if slices.Sort(measured); len(slices.Compact(measured)) != 10 || len(rows) != 20 {
		t.Errorf("%d rows measure %q", len(rows), measured)
	}
}
