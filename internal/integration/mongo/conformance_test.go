package mongo_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

const hour = time.Hour

// limit is for a machine that has much else to do while it starts a killed server.
var limit = conformance.Limit(5 * time.Minute)

// conform runs the whole suite against a server, which it kills, without a waiver. The
// other handle is one of another process.
func conform(t *testing.T, s *server.Server, opts ...conformance.Option) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		name := mongotest.NewName()
		sub := mongotest.Subject(tb, s.URL(), &mongotest.Options{Collection: name})
		handle := sub.Peer
		sub.Peer = func(ctx context.Context) (store.Store, error) { return peer.Start(ctx, storeURL(s.URL(), name)) }
		sub.Crash = func(ctx context.Context) (store.Store, error) {
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

// TestConformance is of a replica set. CI has the same of a standalone server, where every
// repeat is the store's, in the tests of the module itself.
func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, server.New(t, server.Mongo()), reports.Save(t))
}

// On the server of the variable, whatever it is: a set of several members, a managed one.
func TestConformanceOfVariable(t *testing.T) {
	url := os.Getenv(server.Mongo().URLVar)
	if url == "" {
		t.Skipf("%s names no server to test with beside those in containers", server.Mongo().URLVar)
	}
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return mongotest.Subject(tb, url, nil) }, conformance.Strict(), limit, but(conformance.Durable))
}

// but claims all levels but one.
func but(not conformance.Level) conformance.Option {
	return conformance.Claim(slices.DeleteFunc(conformance.Levels(), func(l conformance.Level) bool { return l == not })...)
}
