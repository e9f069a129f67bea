package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

func TestFieldOfInfo(t *testing.T) {
	const info = "# Memory\r\nused_memory:1048576\r\nused_memory_peak:2\r\n\r\n# Server\r\nredis_version:8.0.2\r\n"
	for name, want := range map[string]string{"used_memory": "1048576", "redis_version": "8.0.2", "memory": "", "valkey_version": ""} {
		if got := field(info, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A machine that has become twice as slow meanwhile changes nothing.
func TestGrownIsAgainstTheSameYardstick(t *testing.T) {
	before := result{ours: 150, limit: 100, ratio: 1.5, oursAllocs: 1, limitAllocs: 9}
	after := result{ours: 360, limit: 200, ratio: 1.8, noise: 1, oursAllocs: 2, limitAllocs: 9}
	got := grown([]result{before, after})
	if got.ours != 360 || got.limit != 150 || got.oursAllocs != 2 || got.limitAllocs != 1 || got.noise != 1 || got.ratio < 1.19 || got.ratio > 1.21 {
		t.Errorf("got %+v", got)
	}
}

// testRedis are rows of the server to test with, on little, and a look at the keys that
// are left of it.
func testRedis(t *testing.T) (r *rd, left func() []string) {
	t.Helper()
	url := os.Getenv("SOJOURN_TEST_REDIS_URL")
	if url == "" {
		t.Skip("SOJOURN_TEST_REDIS_URL is not set: it names a server to test with, like redis://localhost:6379")
	}
	r = &rd{server: newRedis(os.Getenv), sizes: rdSizes{
		held: 512, small: 100, large: 1000, stored: 500, most: 4 << 20, still: 100 * time.Millisecond,
	}}
	t.Cleanup(func() {
		if err := r.server.close(); err != nil {
			t.Error(err)
		}
	})
	c, err := redisClient(url, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return r, func() (keys []string) {
		t.Helper()
		it := c.Scan(t.Context(), 0, r.server.token+"*", 1000).Iterator()
		for it.Next(t.Context()) {
			keys = append(keys, it.Val())
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
		return keys
	}
}

// Every row of Redis works, on little.
func TestRedisRows(t *testing.T) {
	r, left := testRedis(t)
	for _, row := range slices.Concat(r.rows(), r.memoryRows()) {
		checkRow(t, "redis", row)
		if keys := left(); len(keys) != 0 {
			t.Fatalf("%s leaves %d keys, like %s", row.name, len(keys), keys[0])
		}
	}
}

// An interrupt in the middle of a row.
func TestInterruptRemovesTheKeys(t *testing.T) {
	r, left := testRedis(t)
	for _, name := range []string{"create", "touch"} {
		r.server = newRedis(os.Getenv)
		measured := make(chan error, 1)
		go func() {
			_, err := r.verb(name, true, 16, 100)
			measured <- err
		}()
		for len(left()) < r.sizes.held {
			select {
			case err := <-measured:
				t.Fatalf("%s: ended by itself: %v", name, err)
			default:
			}
		}
		if err := r.server.close(); err != nil {
			t.Errorf("%s: closed: %v", name, err)
		}
		if keys := left(); len(keys) != 0 {
			t.Errorf("%s: %d keys are left, like %s", name, len(keys), keys[0])
		}
		if err := <-measured; !errors.Is(err, goredis.ErrClosed) {
			t.Errorf("%s: what was interrupted: %v", name, err)
		}
		if keys := left(); len(keys) != 0 {
			t.Errorf("%s: %d keys came afterwards, like %s", name, len(keys), keys[0])
		}
	}
}

// Nothing but what begins with the prefix is removed.
func TestRemoveKeysLeavesOthers(t *testing.T) {
	r, left := testRedis(t)
	c, err := r.server.open()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, rest := range []string{"-a:1", "-a{000}s:1", "-b:1"} {
		if err := c.Set(ctx, r.server.token+rest, "", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeKeys(ctx, c, r.server.token+"-a"); err != nil {
		t.Fatal(err)
	}
	if keys := left(); len(keys) != 1 || keys[0] != r.server.token+"-b:1" {
		t.Errorf("%q are left, want one", keys)
	}
}
