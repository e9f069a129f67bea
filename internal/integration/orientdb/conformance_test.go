package orientdb_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// limit is for a machine that has much else to do while it starts a killed server.
var limit = conformance.Limit(5 * time.Minute)

// conform runs the whole suite, without a waiver. The other handle is one of another
// process. What is written to the log is told as what a write survives: the suite looks at
// what was written longer ago than that.
//
// What is to be killed has a server of its own, since one that is started again goes through
// all that was written to its database in the last minutes: 20 s, for 60 classes that were
// made and dropped.
func conform(t *testing.T, s, killed *server.Server, written time.Duration, durability string, opts ...conformance.Option) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		s := s
		if strings.HasPrefix(tb.Name(), "CRASH-") { // the requirement that asks for it
			s = killed
		}
		name := orientdbtest.NewName()
		sub := orientdbtest.Subject(tb, s.URL(), &orientdbtest.Options{Store: orientdb.Options{Class: name}, Durability: durability})
		handle := sub.Peer
		sub.Peer = func(ctx context.Context) (store.Store, error) { return peer.Start(ctx, storeURL(s.URL(), name)) }
		if s != killed {
			return sub
		}
		sub.Crash = func(ctx context.Context) (store.Store, error) {
			time.Sleep(written) // no event tells that the log was written
			if err := s.Kill(ctx); err != nil {
				return nil, err
			}
			if err := s.Restart(ctx); err != nil {
				return nil, err
			}
			return handle(ctx) // with a client of before, which must find its way back
		}
		return sub
	}, append(opts, conformance.Strict(), limit)...)
}

// written10 is after how long what was acknowledged is in the log, of a server that writes
// it every 10 ms: ten times that.
const written10 = 100 * time.Millisecond

func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, shared.Container(t), server.New(t, server.OrientDB(server.OrientDBWAL10)), written10, "all but the last 10 ms", reports.Save(t))
}

// TestConformanceAsShipped is of a server that writes its log once a second.
func TestConformanceAsShipped(t *testing.T) {
	if !full() {
		t.Skip("it is the same as TestConformance, and waits for seconds: SOJOURN_TEST_FULL=1 runs it")
	}
	t.Parallel()
	sv := server.New(t, server.OrientDB())
	conform(t, sv, sv, 3*time.Second, "")
}

// On the server of the variable, whatever it is: another version, a cluster.
func TestConformanceOfVariable(t *testing.T) {
	url := os.Getenv(server.OrientDB().URLVar)
	if url == "" {
		t.Skipf("%s names no server to test with beside those in containers", server.OrientDB().URLVar)
	}
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return orientdbtest.Subject(tb, url, nil) }, conformance.Strict(), limit, but(conformance.Durable))
}

// but claims all levels but one.
func but(not conformance.Level) conformance.Option {
	return conformance.Claim(slices.DeleteFunc(conformance.Levels(), func(l conformance.Level) bool { return l == not })...)
}
