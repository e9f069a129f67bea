package server

import (
	"context"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Redis is a Redis that keeps what it was told in a log, which it syncs once a second,
// and writes no snapshots beside it.
func Redis() Spec {
	return Spec{
		Name: "Redis", URLVar: "SOJOURN_TEST_REDIS_URL",
		ImageVar: "SOJOURN_TEST_REDIS_IMAGE", Image: "redis:8",
		Port:  "6379/tcp",
		Cmd:   redisCmd("redis-server"),
		URL:   func(addr string) string { return "redis://:" + password + "@" + addr + "/0" },
		Ready: readyRedis,
	}
}

// RedisMoreImages is the variable that lists images of further versions.
const RedisMoreImages = "SOJOURN_TEST_REDIS_MORE_IMAGES"

// RedisImage is Redis from another image, or Valkey if its name says so.
func RedisImage(image string) Spec {
	spec := Redis()
	if strings.Contains(path.Base(image), "valkey") {
		spec = Valkey()
	}
	spec.Image, spec.ImageVar, spec.URLVar = image, "", ""
	return spec
}

// Valkey is a Valkey with the settings of [Redis].
func Valkey() Spec {
	spec := Redis()
	spec.Name, spec.URLVar = "Valkey", "SOJOURN_TEST_VALKEY_URL"
	spec.ImageVar, spec.Image = "SOJOURN_TEST_VALKEY_IMAGE", "valkey/valkey:8"
	spec.Cmd = redisCmd("valkey-server")
	return spec
}

func redisCmd(name string) []string {
	return []string{name, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--requirepass", password}
}

// readyRedis is nil once the server answers and has loaded its data.
func readyRedis(ctx context.Context, url string) error {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	c := probe(opts.Addr, opts.Password)
	defer c.Close()
	return c.Ping(ctx).Err()
}

// probe is a client that asks once.
func probe(addr, password string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, Password: password, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
}
