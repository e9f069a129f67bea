package redis_test

import (
	"os"
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/redis/redistest"
)

func TestConformance(t *testing.T) {
	url := os.Getenv("SOJOURN_TEST_REDIS_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_REDIS_URL is not set: it names a server to test with, like redis://localhost:6379")
	}
	conformance.Run(t, func(tb testing.TB) conformance.Subject { return redistest.Subject(tb, url, nil) })
}
