package main

import (
	"context"
	"net/url"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connections are as many as 16 goroutines never wait for.
const connections = 20

// redisServer is the Redis or Valkey that is measured. All that is done there happens
// under a prefix of its own.
type redisServer struct {
	*server
	client *goredis.Client
}

func newRedis(getenv func(string) string) *redisServer {
	s := &redisServer{}
	s.server = newServer(getenv, kind{
		name:   "Redis",
		urlVar: "SOJOURN_TEST_REDIS_URL", like: "redis://user:password@localhost:6379/0",
		imageVar: "SOJOURN_TEST_REDIS_IMAGE", image: "redis:8",
		container: container{
			port: "6379",
			// A snapshot now and then would be in some of the blocks that are compared.
			command: func(image, password string) []string {
				return []string{image, "--save", "", "--requirepass", password}
			},
			url: url.URL{Scheme: "redis", Path: "/0"},
		},
		answers: redisAnswers, begin: s.begin, end: s.end,
	})
	return s
}

// open returns the client. An error is one of missing.
func (s *redisServer) open() (*goredis.Client, error) {
	err := s.start()
	return s.client, err
}

func (s *redisServer) begin(ctx context.Context, url string) (err error) {
	s.client, err = redisClient(url, connections)
	return err
}

func redisClient(url string, most int) (*goredis.Client, error) {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true // as package redis wants it
	o.PoolSize, o.PipelinePoolSize = most, most
	o.DialerRetries = 1
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return goredis.NewClient(o), nil
}

// quiet keeps go-redis from logging what it returns as an error too.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func redisAnswers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := redisClient(url, 1)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return c.Ping(ctx).Err()
}

func (s *redisServer) end(ctx context.Context, url string) error {
	_ = s.client.Close() // from now on nothing more is sent
	c, err := redisClient(url, 1)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return removeKeys(ctx, c, s.token)
}

// removeKeys removes all keys that begin so, until it finds none: the server may come to
// what was sent to it before only now.
func removeKeys(ctx context.Context, c *goredis.Client, prefix string) error {
	for found := true; found; {
		found = false
		for cursor, begun := uint64(0), false; cursor != 0 || !begun; begun = true {
			var keys []string
			var err error
			if keys, cursor, err = c.Scan(ctx, cursor, prefix+"*", 1000).Result(); err != nil {
				return err
			}
			if len(keys) == 0 {
				continue
			}
			found = true
			if err := c.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
