package server_test

import (
	"flag"
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

func TestMain(m *testing.M) {
	logging.Disable() // servers are killed here, and the driver has much to say about it
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // each has servers of its own, and waits for them
	os.Exit(m.Run())
}
