package server_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

func TestMain(m *testing.M) {
	logging.Disable() // servers are killed here, and the driver has much to say about it
	os.Exit(m.Run())
}
