package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/proxy"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	t.Run("Redis", func(t *testing.T) { single(t, server.Redis()) })
	t.Run("Valkey", func(t *testing.T) { single(t, server.Valkey()) })
	t.Run("more", func(t *testing.T) {
		for _, image := range server.Images(t, server.RedisMoreImages, "redis:7.2") {
			t.Run(image, func(t *testing.T) { single(t, server.RedisImage(image)) })
		}
	})
}

// A server has the settings that it should have, lets nobody in without the password,
// and keeps its data when it is killed.
func single(t *testing.T, spec server.Spec) {
	s := server.New(t, spec)
	opts, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "save": ""} {
		if got, err := c.ConfigGet(t.Context(), name).Result(); err != nil || got[name] != want {
			t.Errorf("%s is %v, %v, want %q", name, got, err, want)
		}
	}
	stranger := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer stranger.Close()
	if err := stranger.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v, want NOAUTH", err)
	}
	survives(t, s, c)
	writes(t, c)
}

// survives kills the container, and wants the data back.
func survives(t *testing.T, s *server.Server, c redis.UniversalClient) {
	t.Helper()
	// Keys of all masters.
	for i := range 100 {
		if err := c.Set(t.Context(), fmt.Sprint("key", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	flushed(t, c)
	url := s.URL()
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	once, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Get(once, "key0").Err(); err == nil {
		t.Error("a server that was killed answers")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL() != url {
		t.Errorf("it came back as %s, want %s", s.URL(), url)
	}
	for i := range 100 {
		if got, err := c.Get(t.Context(), fmt.Sprint("key", i)).Int(); err != nil || got != i {
			t.Fatalf("key%d is %d, %v after a restart", i, got, err)
		}
	}
}

// flushed returns when the masters have handed what they acknowledged to the operating
// system. While a sync is under way they hold it back, for up to two seconds.
func flushed(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	wait := func(ctx context.Context, c *redis.Client) error {
		for {
			info, err := c.Info(ctx, "persistence").Result()
			if err != nil || strings.Contains(info, "aof_buffer_length:0\r\n") {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var err error
	switch c := c.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, wait)
	case *redis.Client:
		err = wait(ctx, c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writes holds the proxy's list of writes against the server's own.
func writes(t *testing.T, c *redis.Client) {
	t.Helper()
	names := func(filter *redis.FilterBy) map[string]bool {
		list, err := c.CommandList(t.Context(), filter).Result()
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]bool{}
		for _, name := range list {
			if !strings.ContainsAny(name, "|.") { // a part of one, of a module
				m[name] = true
			}
		}
		return m
	}
	want := names(&redis.FilterBy{ACLCat: "write"})
	for _, name := range []string{"eval", "evalsha", "fcall"} {
		want[name] = true
	}
	all := names(nil)
	if len(all) < 200 {
		t.Fatalf("the server knows %d commands", len(all))
	}
	for name := range all {
		q, err := request(name)
		if err != nil || q.Write != want[name] {
			t.Errorf("to the proxy %s writes: %v, %v, to the server: %v", name, q.Write, err, want[name])
		}
	}
}

// request is what the proxy makes of a command.
func request(name string) (proxy.Request, error) {
	return proxy.Redis().Request(bufio.NewReader(strings.NewReader(fmt.Sprintf("*1\r\n$%d\r\n%s\r\n", len(name), name))))
}

// failover waits until key is what it was, from another master, and can be written.
func failover(t *testing.T, c redis.UniversalClient, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		var got string
		if got, err = c.Get(ctx, key).Result(); err == nil && got != value {
			t.Fatalf("%s is %q after a failover, want %q", key, got, value)
		}
		if errors.Is(err, redis.Nil) {
			t.Fatalf("%s was lost in a failover", key)
		}
		if err == nil {
			if err = c.Set(ctx, key, value, 0).Err(); err == nil {
				return
			}
		}
	}
	t.Fatalf("nobody took the place of the master: %v", err)
}

// replicated writes a key, and returns when a replica has it.
func replicated(t *testing.T, master *redis.Client, key, value string) {
	t.Helper()
	c := master.Conn()
	defer c.Close()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(t.Context(), 1, 10*time.Second).Result(); n != 1 || err != nil {
		t.Fatalf("%d replicas have it, %v, want 1", n, err)
	}
}
