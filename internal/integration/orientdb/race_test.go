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

// Races of which this server loses some, with the statements that one would write first:
// see orientdb/record.go. Nothing may be lost in any of them, and each must have happened.

// many is how often a race is run.
func many(n int) int {
	if full() {
		return 20 * n
	}
	return n
}

// scanned is how many records have an id, by a look at all of them: an index can lack one.
func (x *class) scanned(tb testing.TB, id string) int {
	tb.Helper()
	return number(tb, x.sql(tb, `SELECT count(*) AS n FROM {class} WHERE id.append('')=:id`, map[string]any{"id": "s:" + id}))
}

// A sweep and a create in the place of what it sweeps: nothing that was created is lost.
func TestSweepAgainstCreate(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	s, sweeper := x.open(t, nil), x.open(t, client)
	swept, expired := 0, 0
	for round := range many(3) {
		const n = 150
		x.fill(t, n, fmt.Sprintf(`id='s:%d-'+$i, owner='o:old', rev=7`, round), anHourAgo)
		expired += n
		swept += againstCreate(t, s, round, n, func() (int, error) { return sweeper.Sweep(t.Context()) })
		for i := range n {
			id := fmt.Sprintf("%d-%d", round, i)
			if e, err := s.Load(t.Context(), id); err != nil || string(e.Data) != "new" {
				t.Fatalf("round %d: %s, which was created during the sweep: %+v, %v; %d records have the id", round, id, e, err, x.scanned(t, id))
			}
		}
	}
	if n, err := s.Count(t.Context()); n != expired || err != nil {
		t.Errorf("%d sessions, want %d; %v", n, expired, err)
	}
	t.Logf("%d had expired; sweeps buried %d of them, creates the others; %d statements of sweeps met another's write", expired, swept, h.answered(http.StatusConflict))
	if swept == 0 || swept >= expired {
		t.Error("they were not at it at once")
	}
	if h.answered(http.StatusConflict) == 0 {
		t.Error("they did not meet")
	}
}

// againstCreate creates n sessions while two others sweep, and returns the sum of what those
// have swept.
func againstCreate(t *testing.T, s store.Store, round, n int, sweep func() (int, error)) int {
	t.Helper()
	var creates, sweeps sync.WaitGroup
	var swept atomic.Int64
	created := make(chan struct{})
	for range 2 {
		sweeps.Go(func() {
			for {
				n, err := sweep()
				if err != nil {
					t.Errorf("round %d: sweep: %v", round, err)
					return
				}
				swept.Add(int64(n))
				select {
				case <-created:
					return
				default:
				}
			}
		})
	}
	const creators = 4
	for c := range creators {
		creates.Go(func() {
			for i := c; i < n; i += creators {
				if _, err := s.Create(t.Context(), fmt.Sprintf("%d-%d", round, i), store.Record{Data: []byte("new")}, hour); err != nil {
					t.Errorf("round %d: create: %v", round, err)
				}
			}
		})
	}
	creates.Wait()
	close(created)
	sweeps.Wait()
	return int(swept.Load())
}

// A delete and a create of one id, and two deletes of it at once: the create that began when
// they had returned is there, and the index has it.
func TestDeleteAgainstCreate(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	s := x.open(t, client)
	var waited, stayed, gone atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			id := fmt.Sprint("n", w)
			for round := range many(40) {
				if _, err := s.Create(t.Context(), id, store.Record{Data: []byte("first")}, hour); err != nil {
					t.Errorf("round %d: create of what nobody has: %v", round, err)
					return
				}
				ended := twice(func() {
					if err := s.Delete(t.Context(), id); err != nil {
						t.Errorf("round %d: delete: %v", round, err)
					}
				})
				// Over the head of the deletes. They may end this one as well.
				v, err := s.Create(t.Context(), id, store.Record{Data: []byte("second")}, hour)
				for ; errors.Is(err, store.ErrExists); waited.Add(1) {
					v, err = s.Create(t.Context(), id, store.Record{Data: []byte("second")}, hour)
				}
				ended()
				if err != nil {
					t.Errorf("round %d: create: %v", round, err)
					return
				}
				e, err := s.Load(t.Context(), id)
				switch n := x.scanned(t, id); {
				case err == nil && e.Revision == v && n == 1:
					stayed.Add(1)
				case errors.Is(err, store.ErrNotFound) && n == 0:
					gone.Add(1)
				default:
					t.Errorf("round %d: %+v, %v, and %d records have the id", round, e, err, n)
					return
				}
				twice(func() { _ = s.Delete(t.Context(), id) })()
				v = create(t, s, id, "third")
				if e, err := s.Load(t.Context(), id); err != nil || e.Revision != v || x.scanned(t, id) != 1 {
					t.Errorf("round %d: what was created after both deletes: %+v, %v, and %d records have the id", round, e, err, x.scanned(t, id))
					return
				}
				want(t, "delete", s.Delete(t.Context(), id), nil)
			}
		})
	}
	wg.Wait()
	t.Logf("%d creates came too early, %d of the others stayed and %d were ended; %d statements met another's write", waited.Load(), stayed.Load(), gone.Load(), h.answered(http.StatusConflict))
	if stayed.Load() == 0 || h.answered(http.StatusConflict) == 0 {
		t.Error("they did not meet")
	}
}

// twice begins f twice at once, and returns what waits for both.
func twice(f func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	wg.Go(f)
	return wg.Wait
}

// Updates and touches of what is deleted, buried and purged meanwhile: none that began
// after the delete had returned is told to be done, and nothing comes back.
func TestUpdateAgainstPurge(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s, sweeper := x.open(t, nil), x.open(t, nil)
	const n = 100
	var done, refused, purged atomic.Int64
	for round := range many(3) {
		var deleted [n]atomic.Bool
		var revisions [n]store.Revision
		for i := range n {
			revisions[i] = create(t, s, fmt.Sprintf("%d-%d", round, i), "")
		}
		all := make(chan struct{})
		var wg sync.WaitGroup
		const updaters = 4
		for w := range updaters {
			wg.Go(func() {
				for last := false; !last; {
					select {
					case <-all:
						last = true // once more: all are deleted
					default:
					}
					for i := w; i < n; i += updaters {
						id, before := fmt.Sprintf("%d-%d", round, i), deleted[i].Load()
						v, err := s.Update(t.Context(), id, store.Record{Data: []byte("again")}, hour, revisions[i])
						if err == nil {
							revisions[i] = v
						}
						for what, err := range map[string]error{"update": err, "touch": s.Touch(t.Context(), id, hour)} {
							switch {
							case err == nil && before:
								t.Errorf("round %d: %s of what was deleted is told to be done", round, what)
							case err == nil:
								done.Add(1)
							case errors.Is(err, store.ErrNotFound):
								refused.Add(1)
							default:
								t.Errorf("round %d: %s: %v", round, what, err)
							}
						}
					}
				}
			})
		}
		wg.Go(func() {
			for last := false; !last; {
				select {
				case <-all:
					last = true
				default:
				}
				purged.Add(int64(number(t, x.sql(t, older+` AND exp<`+fmt.Sprint(later)+`-sysdate().asLong()`, nil))))
				if _, err := sweeper.Sweep(t.Context()); err != nil {
					t.Errorf("round %d: sweep: %v", round, err)
				}
			}
		})
		for i := range n {
			want(t, "delete", s.Delete(t.Context(), fmt.Sprintf("%d-%d", round, i)), nil)
			deleted[i].Store(true)
		}
		close(all)
		wg.Wait()
		if left := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE exp>=0 OR id LIKE 's:%' OR data IS NOT NULL`, nil)); left != 0 {
			t.Fatalf("round %d: %d have come back", round, left)
		}
	}
	t.Logf("%d were done, %d came too late; %d graves were purged meanwhile", done.Load(), refused.Load(), purged.Load())
	if done.Load() == 0 || refused.Load() == 0 || purged.Load() < n {
		t.Error("they were not at it at once")
	}
}

// CREATE-3 and CREATE-4 at once: of many that create in the place of one that has expired,
// one does; and of many that create what is not there.
func TestManyCreateInThePlaceOfTheExpired(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	rounds := many(40)
	x.fill(t, rounds-rounds/3, `id='s:n'+$i, rev=7`, anHourAgo) // the last third is not there
	for round := range rounds {
		id := fmt.Sprint("n", round)
		const clients = 8
		type answer struct {
			data string
			rev  store.Revision
			err  error
		}
		done := make(chan answer, clients)
		start := make(chan struct{})
		for i := range clients {
			go func() {
				<-start
				data := fmt.Sprint(i)
				v, err := s.Create(t.Context(), id, store.Record{Data: []byte(data)}, hour)
				done <- answer{data, v, err}
			}()
		}
		close(start)
		var won []answer
		for range clients {
			if a := <-done; a.err == nil {
				won = append(won, a)
			} else if !errors.Is(a.err, store.ErrExists) {
				t.Errorf("round %d: %v", round, a.err)
			}
		}
		e, err := s.Load(t.Context(), id)
		if len(won) != 1 || err != nil || e.Revision != won[0].rev || string(e.Data) != won[0].data {
			t.Fatalf("round %d: %+v have created it, and there is %+v, %v", round, won, e, err)
		}
	}
}

// Why nothing is deleted that may be anybody's: with a plain DELETE in the place of the
// sweep, and of the delete, some of the sessions that were created are lost. Two deletes of
// one record take the next one with its id out of the index: 28 of 2000, and 2 of 10,000 by
// sweeps.
func TestPlainDeleteLoses(t *testing.T) {
	t.Parallel()
	if !full() {
		t.Skip("it shows what the server does, not what the store does: set SOJOURN_TEST_FULL=1")
	}
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	lost, unindexed := 0, 0
	look := func(id string) {
		if _, err := s.Load(t.Context(), id); err != nil {
			lost++
			unindexed += x.scanned(t, id)
		}
	}
	const rounds, n = 20, 200
	for round := range rounds {
		x.fill(t, n, fmt.Sprintf(`id='s:%d-'+$i, rev=7`, round), anHourAgo)
		againstCreate(t, s, round, n, func() (int, error) {
			return x.change(t.Context(), `DELETE FROM {class} WHERE exp>=0 AND exp<=sysdate().asLong()`, nil)
		})
		for i := range n {
			look(fmt.Sprintf("%d-%d", round, i))
		}
	}
	t.Logf("sweeps: %d of %d sessions that were created are lost, %d of them to the index alone", lost, rounds*n, unindexed)
	lost, unindexed = 0, 0
	const ids = 1000
	for i := range ids {
		id := fmt.Sprint("n", i)
		create(t, s, id, "first")
		wait := twice(func() {
			if _, err := x.change(t.Context(), `DELETE FROM {class} WHERE id=:id`, map[string]any{"id": "s:" + id}); err != nil {
				t.Error(err)
			}
		})
		_, err := s.Create(t.Context(), id, store.Record{}, hour)
		for errors.Is(err, store.ErrExists) {
			_, err = s.Create(t.Context(), id, store.Record{}, hour)
		}
		wait()
		if n := x.scanned(t, id); n > 0 {
			look(id)
		}
	}
	t.Logf("deletes: %d of %d sessions that were created are lost, %d of them to the index alone", lost, ids, unindexed)
}
