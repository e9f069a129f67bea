package mongo_test

import (
	"os"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
)

// serverURL skips the test where there is no server. Those that internal/integration
// has start one.
func serverURL(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv("SOJOURN_TEST_MONGO_URL")
	if url == "" {
		tb.Skip("SOJOURN_TEST_MONGO_URL is not set: it names a server to test with, like mongodb://user:password@localhost:27017/database?directConnection=true")
	}
	return url
}

func TestConformance(t *testing.T) {
	url := serverURL(t)
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return mongotest.Subject(tb, url, nil) })
}
