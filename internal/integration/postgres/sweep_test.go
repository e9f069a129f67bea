package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// fill adds n sessions to the table that have expired, and that a sweeper finds.
func (x *table) fill(tb testing.TB, n int) {
	tb.Helper()
	x.exec(tb, `
INSERT INTO `+x.name()+` (id, owner, data, revision, deadline, due)
SELECT 'old' || i, CASE WHEN i % 3 = 0 THEN 'o' || i % 1000 END, decode(repeat('ab', 512), 'hex'), i + 1,
	now() - interval '1 hour' - i * interval '1 ms', now() - interval '1 minute'
FROM generate_series(1, $1::int) AS i`, n)
}

// REL-16: expired sessions are swept by two sweepers at once while others are made,
// touched and loaded. Only what has expired goes, a batch at a time; the load goes on.
func TestSweepUnderLoad(t *testing.T) {
	expired := 50_000
	if full() {
		expired = 1_000_000
	}
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	x.fill(t, expired)
	x.exec(t, `ANALYZE `+x.name())
	for i := range 100 {
		create(t, s, fmt.Sprintf("live%d", i), "kept")
	}
	// And some that are touched all the while.
	for i := range 100 {
		create(t, s, fmt.Sprintf("touched%d", i), "kept")
	}
	loads := func(stop <-chan struct{}) (n int, longest time.Duration, err error) {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return n, longest, nil
			default:
			}
			began := time.Now()
			if _, err := s.Load(t.Context(), fmt.Sprintf("live%d", i%100)); err != nil {
				return n, longest, err
			}
			n, longest = n+1, max(longest, time.Since(began))
		}
	}
	quietly := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(quietly) })
	n, quiet, err := loads(quietly)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("quiet: %d loads, the longest %v", n, quiet)

	swept := make(chan struct{})
	var removed atomic.Int64
	var wg, others sync.WaitGroup
	for range 2 {
		other := x.open(t, postgrestest.Pool(t, x.url, nil))
		wg.Go(func() {
			for {
				n, err := other.Sweep(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				removed.Add(int64(n))
				if removed.Load() >= int64(expired) {
					return
				}
			}
		})
	}
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-swept:
				return
			default:
			}
			if err := s.Touch(t.Context(), fmt.Sprintf("touched%d", i%100), time.Hour); err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Create(t.Context(), fmt.Sprintf("old%d", i%expired+1), store.Record{Data: []byte("new")}, time.Hour); err == nil {
				removed.Add(1) // it took the place of one that had expired, or was swept
			} else if !errors.Is(err, store.ErrExists) {
				t.Error(err)
				return
			}
		}
	})
	began := time.Now()
	go func() { wg.Wait(); close(swept) }()
	n, longest, err := loads(swept)
	if err != nil {
		t.Error(err)
	}
	others.Wait()
	t.Logf("%d expired, gone in %v; meanwhile %d loads, the longest %v", expired, time.Since(began), n, longest)
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	var left int
	if err := x.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+x.name()+` WHERE deadline <= now()`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d that have expired are left, %v", left, err)
	}
	for i := range 100 {
		for _, id := range []string{fmt.Sprintf("live%d", i), fmt.Sprintf("touched%d", i)} {
			if e, err := s.Load(t.Context(), id); err != nil || string(e.Data) != "kept" {
				t.Errorf("%s, which is alive: %q, %v", id, e.Data, err)
			}
		}
	}
}

// The background sweeper of one process is enough for all, and removes what is due.
func TestBackgroundSweeper(t *testing.T) {
	x := newTable(t, shared.URL(t))
	x.fill(t, 2000)
	x.opts.SweepEvery = 10 * time.Millisecond
	x.opts.OnError = func(err error) { t.Error(err) }
	for range 3 {
		x.open(t, x.pool)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := 1; n > 0; {
		if err := x.pool.QueryRow(ctx, `SELECT count(*) FROM `+x.name()).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
}

// A row that was given a long life by hand, and no new due, neither ends early nor
// keeps the sweeper from those behind it.
func TestSweeperPassesWhatIsAlive(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	x.fill(t, 1000)
	x.exec(t, `UPDATE `+x.name()+` SET deadline = now() + interval '1 day', due = now() - interval '1 day' WHERE id < 'old7'`)
	var alive int
	if err := x.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+x.name()+` WHERE deadline > now()`).Scan(&alive); err != nil || alive < 501 {
		t.Fatalf("%d are alive, want more than a batch; %v", alive, err)
	}
	x.opts.SweepEvery = 10 * time.Millisecond
	x.open(t, x.pool)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := 0; n != alive; {
		if err := x.pool.QueryRow(ctx, `SELECT count(*) FROM `+x.name()).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n < alive {
			t.Fatalf("%d sessions are left, %d were alive", n, alive)
		}
	}
	if n, err := s.Count(t.Context()); n != alive || err != nil {
		t.Errorf("%d are counted, want %d; %v", n, alive, err)
	}
}
