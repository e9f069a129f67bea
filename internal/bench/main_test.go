package main

import (
	"os"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(quiet{}) // as main does
	os.Exit(m.Run())
}
