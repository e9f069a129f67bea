package orientdb_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/store"
)

// OWNER-3 while two end an owner's sessions at once, and others create and update some:
// nothing that was there before they began is there afterwards, and what they say that they
// have ended is what is missing, though they get in each other's way.
func TestDeleteOwnerAgainstWriters(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	s, ending := x.open(t, nil), x.open(t, client)
	var updated atomic.Int64
	for round := range many(2) {
		const old = 700
		owner := fmt.Sprint("o", round)
		x.fill(t, old, fmt.Sprintf(`id='s:%d-'+$i, owner='o:%s', rev=$i+1`, round, owner), inAnHour)
		ended := make(chan struct{})
		var writers sync.WaitGroup
		var created atomic.Int64
		for w := range 2 {
			writers.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-ended:
						return
					default:
					}
					if _, err := s.Create(t.Context(), fmt.Sprintf("%d-new%d-%d", round, w, i), store.Record{Owner: owner}, hour); err != nil {
						t.Errorf("round %d: create: %v", round, err)
						return
					}
					created.Add(1)
				}
			})
			writers.Go(func() {
				for i := old - 1 - w; i >= 0; i -= 2 {
					_, err := s.Update(t.Context(), fmt.Sprintf("%d-%d", round, i), store.Record{Owner: owner, Data: []byte("2")}, hour, store.Revision(i+1))
					switch {
					case err == nil:
						updated.Add(1)
					case errors.Is(err, store.ErrNotFound):
						return // the others are too
					default:
						t.Errorf("round %d: update: %v", round, err)
						return
					}
				}
			})
		}
		var sum atomic.Int64
		twice(func() {
			n, err := ending.DeleteOwner(t.Context(), owner)
			if err != nil {
				t.Errorf("round %d: delete owner: %v", round, err)
			}
			sum.Add(int64(n))
		})()
		close(ended)
		writers.Wait()
		left := 0
		for l, err := range s.List(t.Context(), store.Query{Owner: owner}) {
			if err != nil {
				t.Fatal(err)
			}
			left++
			var r, i int
			if n, _ := fmt.Sscanf(l.ID, "%d-%d", &r, &i); n == 2 {
				t.Errorf("round %d: %s was there before", round, l.ID)
			}
		}
		if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE owner.append('')=:o`, map[string]any{"o": "o:" + owner})); n != left {
			t.Errorf("round %d: %d records of the owner, and %d are listed", round, n, left)
		}
		if int(sum.Load()) != old+int(created.Load())-left {
			t.Errorf("round %d: %d are told to be ended, of %d and %d, of which %d are left", round, sum.Load(), old, created.Load(), left)
		}
	}
	t.Logf("%d updates were quicker; %d batches met another's write", updated.Load(), h.answered(http.StatusConflict))
	if h.answered(http.StatusConflict) == 0 || updated.Load() == 0 {
		t.Error("they did not meet")
	}
}

// OWNER-3: a session that moves to another owner while DeleteOwner is about to end it is that
// one's, though it was found as the first one's.
func TestMovedWhileOwnersEnd(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	moved, ended := 0, 0
	for round := range many(2) {
		const n = 400
		from, to := fmt.Sprint("from", round), fmt.Sprint("to", round)
		x.fill(t, n, fmt.Sprintf(`id='s:%d-'+$i, owner='o:%s', rev=$i+1`, round, from), inAnHour)
		var went atomic.Int64
		var movers sync.WaitGroup
		for w := range 2 {
			movers.Go(func() {
				for i := n - 1 - w; i >= 0; i -= 2 {
					_, err := s.Update(t.Context(), fmt.Sprintf("%d-%d", round, i), store.Record{Owner: to}, hour, store.Revision(i+1))
					if err == nil {
						went.Add(1)
					} else if !errors.Is(err, store.ErrNotFound) {
						t.Errorf("round %d: update: %v", round, err)
					}
				}
			})
		}
		gone, err := s.DeleteOwner(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		movers.Wait()
		kept := 0
		for _, err := range s.List(t.Context(), store.Query{Owner: to}) {
			if err != nil {
				t.Fatal(err)
			}
			kept++
		}
		if kept != int(went.Load()) || gone+kept != n {
			t.Errorf("round %d: %d have moved, of which %d are there; %d were ended, of %d", round, went.Load(), kept, gone, n)
		}
		moved, ended = moved+kept, ended+gone
	}
	t.Logf("%d have moved, %d were ended", moved, ended)
	if moved == 0 || ended == 0 {
		t.Error("they were not at it at once")
	}
}
