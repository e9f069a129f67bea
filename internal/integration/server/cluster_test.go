package server_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
)

func openCluster(t *testing.T, s *server.Server) *redis.ClusterClient {
	t.Helper()
	opts, err := redis.ParseClusterURL(strings.Replace(s.URL(), "redis+cluster:", "redis:", 1))
	if err != nil {
		t.Fatal(err)
	}
	// A master that is gone tells nobody where to go, and the driver looks by itself once a minute.
	opts.ClusterStateReloadInterval = 100 * time.Millisecond
	c := redis.NewClusterClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// master is the one that has the key, and its port.
func master(t *testing.T, c *redis.ClusterClient, key string) (m *redis.Client, port string) {
	t.Helper()
	m, err := c.MasterForKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(m.Options().Addr)
	if err != nil {
		t.Fatal(err)
	}
	return m, port
}

func TestClusterSurvives(t *testing.T) {
	t.Parallel()
	s := server.New(t, server.RedisCluster(0))
	c := openCluster(t, s)
	survives(t, s, c)
	seen := map[string]bool{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		_, port := master(t, c, key)
		seen[port] = true
	}
	if len(seen) != 3 || len(s.Ports()) != 3 {
		t.Errorf("the keys are on %v of %v", seen, s.Ports())
	}
}

// A replica takes the place of its master, which becomes its replica when it comes back,
// and takes the place back when that is killed.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	s := server.New(t, server.RedisCluster(1))
	c := openCluster(t, s)
	for range 2 {
		m, port := master(t, c, "a")
		if !slices.Contains(s.Ports(), port) {
			t.Fatalf("the master is %s, of %v", port, s.Ports())
		}
		replicated(t, m, "a", "kept")
		if err := s.KillNode(t.Context(), port); err != nil {
			t.Fatal(err)
		}
		if err := s.KillNode(t.Context(), port); err == nil {
			t.Error("a node was killed twice")
		}
		failover(t, c, "a", "kept")
		if _, now := master(t, c, "a"); now == port {
			t.Fatalf("%s was killed and is still the master", port)
		}
		if err := s.StartNode(t.Context(), port); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	survives(t, s, c)
}
