package orientdb_test

import (
	"os"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
)

// serverURL skips the test where there is no server. Those that internal/integration
// has start one.
func serverURL(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv("SOJOURN_TEST_ORIENTDB_URL")
	if url == "" {
		tb.Skip("SOJOURN_TEST_ORIENTDB_URL is not set: it names a server to test with, like orientdb://root:password@localhost:2480/database")
	}
	return url
}

func TestConformance(t *testing.T) {
	url := serverURL(t)
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return orientdbtest.Subject(tb, url, nil) })
}
