package mongotest

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/sojourn-go/sojourn/internal/proxy"
)

// Client connects to the server that url names; through the network, unless that is nil,
// as to proxies before it. The test disconnects it. change may change its options further.
func Client(tb testing.TB, url string, n *proxy.Network, change ...func(*options.ClientOptions)) *mongo.Client {
	tb.Helper()
	// A server that was away is looked for more often than each 10 s.
	opts := options.Client().ApplyURI(url).SetHeartbeatInterval(500 * time.Millisecond)
	if n != nil {
		opts.SetDialer(n)
	}
	for _, c := range change {
		if c != nil {
			c(opts)
		}
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := client.Disconnect(ctx); err != nil && err != mongo.ErrClientDisconnected {
			tb.Errorf("disconnect: %v", err)
		}
	})
	return client
}

// Database is the one that url names.
func Database(tb testing.TB, url string) string {
	tb.Helper()
	cs, err := connstring.Parse(url)
	if err != nil {
		tb.Fatal(err)
	}
	if cs.Database == "" {
		return "test" // as the shell has it
	}
	return cs.Database
}
