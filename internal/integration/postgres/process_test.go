package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// visit counts one up on the session id, as a manager does: it loads, makes or
// updates, and begins again if somebody was quicker.
func visit(ctx context.Context, s store.Store, id string) error {
	for {
		e, err := s.Load(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			_, err = s.Create(ctx, id, store.Record{Data: []byte("1")}, time.Hour)
		case err == nil:
			n, _ := strconv.Atoi(string(e.Data))
			_, err = s.Update(ctx, id, store.Record{Data: []byte(strconv.Itoa(n + 1))}, time.Hour, e.Revision)
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
}

// storeURL opens a store on the table, without a sweeper.
func storeURL(url string, opts *postgres.Options) string {
	return fmt.Sprintf("%s&table=%s&durable_touch=%v&sweep_every=-1s&migrate=false", url, opts.Table, opts.DurableTouch)
}

// openPeer opens a store in a process of its own.
func openPeer(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, postgres.Opener)
}

// inProcesses runs a function in n processes at once.
func inProcesses(t *testing.T, n int, name string, args ...string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := peer.Run(t.Context(), name, args...); err != nil {
				t.Errorf("one of %d processes: %v", n, err)
			}
		})
	}
	wg.Wait()
}

// REL-10: processes that count on one session. The sum is what was acknowledged.
func TestProcessesCount(t *testing.T) {
	const processes = 8
	each := 100
	if full() {
		each = 1000
	}
	x := newTable(t, shared.URL(t))
	inProcesses(t, processes, "count", storeURL(x.url, &x.opts), strconv.Itoa(each))
	e, err := x.open(t, x.pool).Load(t.Context(), "n")
	if err != nil || string(e.Data) != strconv.Itoa(processes*each) {
		t.Errorf("the count is %s, want %d; %v", e.Data, processes*each, err)
	}
}

func countInProcess(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	s, err := openPeer(ctx, args[0])
	if err != nil {
		return err
	}
	defer store.Close(s)
	times, err := strconv.Atoi(args[1])
	for range times {
		err = errors.Join(err, visit(ctx, s, "n"))
	}
	return err
}

// REL-20: four processes open a store at once, in a database that has no table yet.
func TestProcessesMigrateAtOnce(t *testing.T) {
	rounds := 3
	if full() {
		rounds = 50
	}
	for range rounds {
		x := unmade(t, shared.URL(t))
		inProcesses(t, 4, "migrate", x.url, x.opts.Table)
		if n, err := x.open(t, x.pool).Count(t.Context()); n != 4 || err != nil {
			t.Errorf("%d sessions, want that of each process; %v", n, err)
		}
	}
}

func migrateInProcess(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	pool, err := pgxpool.New(ctx, args[0])
	if err != nil {
		return err
	}
	defer pool.Close()
	s, err := postgres.New(pool, &postgres.Options{Table: args[1], SweepEvery: -1})
	if err != nil {
		return err
	}
	defer s.Close()
	// A connection that has missed the table once must not go on to miss it.
	_, missed := s.Load(ctx, "a")
	if err := s.Migrate(ctx); err != nil {
		return fmt.Errorf("%w (before: %v)", err, missed)
	}
	_, err = s.Create(ctx, strconv.Itoa(os.Getpid()), store.Record{}, time.Hour)
	return err
}
