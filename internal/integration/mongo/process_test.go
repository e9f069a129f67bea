package mongo_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
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
	x := newCollection(t, shared.URL(t))
	together.Count(t, "count", storeURL(x.url, x.Name()), x.open(t, nil), each)
}

var countInProcess = together.Counting(openPeer)

// REL-20: four processes open a store at once, in a database that has no collection yet.
func TestProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	rounds := 3
	if full() {
		rounds = 50
	}
	for range rounds {
		x := unmade(t, shared.URL(t))
		together.Run(t, 4, "migrate", x.url, x.Database().Name(), x.Name())
		if n, err := x.open(t, nil).Count(t.Context()); n != 4 || err != nil {
			t.Errorf("%d sessions, want that of each process; %v", n, err)
		}
		if n := len(x.indexes(t)); n != 3 {
			t.Errorf("%d indexes, want 3: that of _id and two more", n)
		}
	}
}

func migrateInProcess(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	client, err := driver.Connect(options.Client().ApplyURI(args[0]))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	s, err := mongo.New(client.Database(args[1]).Collection(args[2]), &mongo.Options{SweepEvery: -1})
	if err != nil {
		return err
	}
	defer s.Close()
	_, missed := s.Load(ctx, "a")
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
	counter.GoesOn(t, with(x.url, "collection="+x.Name()))
}

// SEC-16: visits to three processes at once, while one of them is asked to end the
// session. However they fall, the session is gone afterwards.
func TestEndedStaysEnded(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	counter.EndedStaysEnded(t, with(x.url, "collection="+x.Name()))
}

// indexes are those of the collection, by their names.
func (x *collection) indexes(tb testing.TB) map[string]driver.IndexSpecification {
	tb.Helper()
	found, err := x.Indexes().ListSpecifications(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]driver.IndexSpecification{}
	for _, f := range found {
		out[f.Name] = f
	}
	return out
}
