package postgres_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// visit counts one up on a session.
var visit = together.Visit

// storeURL opens a store on the table, without a sweeper.
func storeURL(url string, opts *postgres.Options) string {
	return fmt.Sprintf("%s&table=%s&durable_touch=%v&sweep_every=-1s&migrate=false&timeout=%s", url, opts.Table, opts.DurableTouch, verbs.Patience)
}

// openPeer opens a store in a process of its own.
func openPeer(ctx context.Context, url string) (store.Store, error) {
	return store.Open(ctx, url, postgres.Opener)
}

// REL-10: processes that count on one session. The sum is what was acknowledged.
func TestProcessesCount(t *testing.T) {
	t.Parallel()
	each := 100
	if full() {
		each = 1000
	}
	x := newTable(t, shared.URL(t))
	together.Count(t, "count", storeURL(x.url, &x.opts), x.open(t, x.pool), each)
}

var countInProcess = together.Counting(openPeer)

// REL-20: four processes open a store at once, in a database that has no table yet.
func TestProcessesMigrateAtOnce(t *testing.T) {
	rounds := 3
	if full() {
		rounds = 50
	}
	for range rounds {
		x := unmade(t, shared.URL(t))
		together.Run(t, 4, "migrate", x.url, x.opts.Table)
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
