package memory_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/store"
)

func create(t testing.TB, s *memory.Store, id, owner string, ttl time.Duration) store.Revision {
	t.Helper()
	rev, err := s.Create(ctx, id, store.Record{Data: []byte("data"), Owner: owner}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// While it is listed, a store changes in every way after each session yielded.
func TestListWhileEverythingChanges(t *testing.T) {
	for _, owner := range []string{"", "o"} {
		s := memory.New(nil)
		stays := map[string]bool{}
		revs := map[string]store.Revision{}
		for i := range 2000 {
			id := fmt.Sprint("id", i)
			revs[id] = create(t, s, id, "o", time.Hour)
			stays[id] = i%4 == 0
		}
		seen, i := map[string]bool{}, 0
		for l, err := range s.List(ctx, store.Query{Owner: owner, Data: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[l.ID] {
				t.Fatalf("%q is yielded twice", l.ID)
			}
			seen[l.ID] = true
			if owner != "" && l.Owner != owner || string(l.Data) != "data" {
				t.Fatalf("%q of %q with %q is yielded", l.ID, l.Owner, l.Data)
			}
			for ; i < 2000 && i < 4*len(seen); i++ {
				id := fmt.Sprint("id", i)
				rec := store.Record{Data: []byte("data"), Owner: "p"}
				switch i % 4 {
				case 1: // gone, and there again
					if err := s.Delete(ctx, id); err != nil {
						t.Fatal(err)
					}
					create(t, s, id, "o", time.Hour)
				case 2: // moved to another owner and back
					rev, err := s.Update(ctx, id, rec, time.Hour, revs[id])
					if err == nil {
						rec.Owner = "o"
						_, err = s.Update(ctx, id, rec, time.Hour, rev)
					}
					if err != nil {
						t.Fatal(err)
					}
				case 3:
					if _, err := s.Update(ctx, id, rec, time.Hour, revs[id]); err != nil {
						t.Fatal(err)
					}
				}
				create(t, s, fmt.Sprint("new", i), "o", time.Hour)
			}
		}
		for id, there := range stays {
			if there && !seen[id] {
				t.Errorf("owner %q: %q was there all the time and is not listed", owner, id)
			}
			// It moved and came back, and was live throughout.
			if owner == "" && !seen[id] && id[len(id)-1] != '1' {
				var i int
				if _, err := fmt.Sscanf(id, "id%d", &i); err != nil || i%4 != 1 {
					t.Errorf("%q was live all the time and is not listed", id)
				}
			}
		}
		if err := memory.Check(s); err != nil {
			t.Error(err)
		}
	}
}

func TestListOfAStoreThatIsClearedOrClosed(t *testing.T) {
	for what, end := range map[string]func(*memory.Store) error{
		"cleared": func(s *memory.Store) error { return s.Clear(ctx) },
		"closed":  func(s *memory.Store) error { return s.Close() },
		"emptied": func(s *memory.Store) error { _, err := s.DeleteOwner(ctx, "o"); return err },
	} {
		for _, owner := range []string{"", "o"} {
			s := memory.New(nil)
			for i := range 5000 {
				create(t, s, fmt.Sprint("id", i), "o", time.Hour)
			}
			n := 0
			var last error
			for _, err := range s.List(ctx, store.Query{Owner: owner}) {
				if last = err; err == nil {
					if n++; n == 100 {
						if err := end(s); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			// What had been read under one lock may still come.
			if n > 200 || (what == "closed") != errors.Is(last, store.ErrClosed) {
				t.Errorf("%s after 100 of %q: %d were yielded, at last %v", what, owner, n, last)
			}
		}
	}
}

// OWNER-3 and OWNER-7 under as many creates, moves and ends as fit.
func TestDeleteOwnerAmongWriters(t *testing.T) {
	s := memory.New(nil)
	for round := range 30 {
		before := make([]string, 200)
		for i := range before {
			before[i] = fmt.Sprint("before", round, "-", i)
			if i%2 == 0 {
				create(t, s, before[i], "o", time.Hour)
				continue
			}
			rev := create(t, s, before[i], "p", time.Hour)
			if _, err := s.Update(ctx, before[i], store.Record{Owner: "o"}, time.Hour, rev); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 200 {
					id := fmt.Sprint("during", round, "-", g, "-", i)
					rev, err := s.Create(ctx, id, store.Record{Owner: "o"}, time.Hour)
					if err == nil && i%3 == 0 {
						_, err = s.Update(ctx, id, store.Record{Owner: "q"}, time.Hour, rev)
					}
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			if _, err := s.DeleteOwner(ctx, "o"); err != nil {
				t.Error(err)
			}
			for _, id := range before {
				if _, err := s.Load(ctx, id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("the owner's session lived on: %v", err)
				}
			}
		})
		wg.Wait()
		listed := map[string]bool{}
		for _, owner := range []string{"o", "q"} {
			for l, err := range s.List(ctx, store.Query{Owner: owner}) {
				if err != nil {
					t.Fatal(err)
				}
				listed[l.ID] = true
			}
		}
		for l, err := range s.List(ctx, store.Query{}) {
			if err != nil || !listed[l.ID] {
				t.Fatalf("%q is live and is not listed with its owner, %v", l.ID, err)
			}
		}
		if err := memory.Check(s); err != nil {
			t.Fatal(err)
		}
	}
}

// Nothing breaks when a store is cleared and closed under full use.
func TestClearAndCloseAmongWriters(t *testing.T) {
	s := memory.New(&memory.Options{MaxSessions: 500, MaxBytes: 1 << 20})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprint(g, "-", i%300)
				rev, err := s.Create(ctx, id, store.Record{Data: make([]byte, i%50), Owner: "o"}, time.Hour)
				if err == nil {
					_, err = s.Update(ctx, id, store.Record{Owner: "p"}, time.Hour, rev)
				}
				if errors.Is(err, store.ErrClosed) {
					return
				}
				if err := s.Touch(ctx, id, time.Minute); err == nil && i%3 == 0 {
					_ = s.Delete(ctx, id)
				}
			}
		})
	}
	for range 100 {
		if err := s.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		if err := memory.Check(s); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Count(ctx); n > 500 || err != nil {
			t.Fatalf("Count is %d, %v, over its limit", n, err)
		}
	}
	for range 2 {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, err := s.Count(ctx); n != 0 || !errors.Is(err, store.ErrClosed) {
		t.Errorf("Count of a closed store is %d, %v", n, err)
	}
	if n := memory.Rows(s); n != 0 {
		t.Errorf("a closed store holds %d", n)
	}
}
