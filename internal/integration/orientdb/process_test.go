package orientdb_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// visit counts one up on a session.
var visit = together.Visit

// REL-10: processes that count on one session. The sum is what was acknowledged.
func TestProcessesCount(t *testing.T) {
	t.Parallel()
	each := 100
	if full() {
		each = 1000
	}
	x := newClass(t, shared.URL(t))
	together.Count(t, "count", storeURL(x.url, x.opts.Class), x.open(t, nil), each)
}

var countInProcess = together.Counting(openPeer)

// REL-20: four processes open a store at once, in a database that has no class yet.
func TestProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	rounds := 3
	if full() {
		rounds = 50
	}
	for range rounds {
		unmade(t, shared.URL(t)).migrateAtOnce(t)
	}
}

// The same where the database is not there either.
func TestProcessesMakeTheDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	x := elsewhere(t)
	x.opts.Class, x.opts.CreateDatabase = orientdbtest.NewName(), true
	t.Cleanup(func() { x.database(t, http.MethodDelete) })
	x.migrateAtOnce(t)
}

func (x *class) migrateAtOnce(t *testing.T) {
	t.Helper()
	together.Run(t, 4, "migrate", x.db.URL, x.db.Name, x.db.User, x.db.Password, x.opts.Class, strconv.FormatBool(x.opts.CreateDatabase))
	if n, err := x.open(t, nil).Count(t.Context()); n != 4 || err != nil {
		t.Errorf("%d sessions, want that of each process; %v", n, err)
	}
	if n := number(t, x.sql(t, "SELECT count(*) AS n FROM (SELECT expand(indexes) FROM metadata:indexmanager) WHERE name LIKE '"+x.opts.Class+".%'", nil)); n != 3 {
		t.Errorf("%d indexes, want 3", n)
	}
}

func migrateInProcess(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	db := &orientdb.Database{URL: args[0], Name: args[1], User: args[2], Password: args[3]}
	s, err := orientdb.New(db, &orientdb.Options{Class: args[4], CreateDatabase: args[5] == "true", SweepEvery: -1})
	if err != nil {
		return err
	}
	defer s.Close()
	_, missed := s.Load(ctx, "a") // who has missed it once must not go on to
	if err := s.Migrate(ctx); err != nil {
		return fmt.Errorf("%w (before: %v)", err, missed)
	}
	_, err = s.Create(ctx, strconv.Itoa(os.Getpid()), store.Record{}, hour)
	return err
}

// The lesson's scene: two browsers count apart, and a restart changes nothing.
func TestCounterGoesOn(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	counter.GoesOn(t, with(x.url, "class="+x.opts.Class))
}

// SEC-16: visits to three processes at once, while one of them is asked to end the
// session. However they fall, the session is gone afterwards.
func TestEndedStaysEnded(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	counter.EndedStaysEnded(t, with(x.url, "class="+x.opts.Class))
}
