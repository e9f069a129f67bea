package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
)

// The replica takes the place of the master, also where one sentinel is gone, and the
// master becomes its replica when it comes back.
func TestSentinel(t *testing.T) {
	t.Parallel()
	s := server.New(t, server.RedisSentinel())
	opts, err := redis.ParseFailoverURL(strings.Replace(s.URL(), "redis+sentinel:", "redis:", 1))
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewFailoverClient(opts)
	defer c.Close()
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: s.Addr()})
	defer sentinel.Close()
	watched := func(want string) {
		t.Helper()
		if at, err := sentinel.GetMasterAddrByName(t.Context(), opts.MasterName).Result(); err != nil || strings.Join(at, ":") != "127.0.0.1:"+want {
			t.Fatalf("the master is %v, %v, want %s", at, err, want)
		}
	}
	watcher, master, replica := s.Ports()[2], s.Ports()[3], s.Ports()[4]
	watched(master)
	m := redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", master), Password: opts.Password})
	defer m.Close()
	replicated(t, m, "a", "kept")
	for _, port := range []string{watcher, master} {
		if err := s.KillNode(t.Context(), port); err != nil {
			t.Fatal(err)
		}
	}
	failover(t, c, "a", "kept")
	for _, port := range []string{watcher, master} {
		if err := s.StartNode(t.Context(), port); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	watched(replica)
	survives(t, s, c)
}
