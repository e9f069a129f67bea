package redis_test

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis/redistest"
)

// pair is a master with one replica.
type pair struct {
	sv              *server.Server
	master, replica string // ports
}

func newPair(t *testing.T) *pair {
	t.Helper()
	sv := server.New(t, server.RedisSentinel())
	return &pair{sv, sv.Ports()[3], sv.Ports()[4]}
}

// signal sends a signal to one of several servers, like STOP and CONT.
func signal(t *testing.T, sv *server.Server, name, port string) {
	t.Helper()
	if _, err := sv.Exec(t.Context(), "bash", "-c", `kill -"$0" "$(cat "/data/$1/pid")"`, name, port); err != nil {
		t.Fatal(err)
	}
}

// stopped has a server stand still until the test, or resume, lets it go on.
func stopped(t *testing.T, sv *server.Server, port string) (resume func()) {
	t.Helper()
	signal(t, sv, "STOP", port)
	going := false
	resume = func() {
		if !going {
			going = true
			_, err := sv.Exec(context.Background(), "bash", "-c", `kill -CONT "$(cat "/data/$0/pid")"`, port)
			if err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(resume)
	return resume
}

// caughtUp returns when so many replicas have all that the server has.
func caughtUp(t *testing.T, master *goredis.Client, replicas int) {
	t.Helper()
	c := master.Conn()
	defer c.Close()
	if err := c.Set(t.Context(), "caught-up", "", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(t.Context(), replicas, 20*time.Second).Result(); err != nil || int(n) < replicas {
		t.Fatalf("%d replicas of %d have it, %v", n, replicas, err)
	}
}

// urlOf is the URL of one of several servers, past what finds the master.
func urlOf(t *testing.T, sv *server.Server, port string) string {
	t.Helper()
	u, err := url.Parse(sv.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, ok := u.User.Password()
	if !ok {
		password = u.Query().Get("password") // that of the servers, where the URL's is the sentinels'
	}
	return "redis://:" + password + "@127.0.0.1:" + port + "/0"
}

// direct is a client of one of several servers.
func direct(t *testing.T, sv *server.Server, port string) *goredis.Client {
	t.Helper()
	return redistest.Client(t, urlOf(t, sv, port), nil).(*goredis.Client)
}

// member is a server of a cluster.
type member struct {
	port, id string
	master   string // the id of its own, or "-"
	up       bool
}

// members are those of a cluster, as the server sees it.
func members(t *testing.T, c *goredis.Client) (out []member) {
	t.Helper()
	text, err := c.ClusterNodes(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		// id address flags master ping-sent pong-received epoch link slots…
		f := strings.Fields(line)
		addr, _, _ := strings.Cut(f[1], "@")
		addr, _, _ = strings.Cut(addr, ",")
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, member{port, f[0], f[3], !strings.Contains(f[2], "fail")})
	}
	return out
}

// replicaOf is the port of the replica of a master.
func replicaOf(t *testing.T, c *goredis.Client, master string) string {
	t.Helper()
	all := members(t, c)
	i := slices.IndexFunc(all, func(m member) bool { return m.port == master })
	j := slices.IndexFunc(all, func(m member) bool { return i >= 0 && m.master == all[i].id && m.up })
	if j < 0 {
		t.Fatalf("%s has no replica: %+v", master, all)
	}
	return all[j].port
}

// portOf is the port of the server that a client is connected to.
func portOf(c *goredis.Client) string {
	_, port, _ := net.SplitHostPort(c.Options().Addr)
	return port
}

// has are the ids of sessions that a server has.
func (x *space) has(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := x.keys(t.Context(), "{???}s:*", func(node *goredis.Client, key string) {
		_, id, _ := strings.Cut(key, "}s:")
		out[portOf(node)] = append(out[portOf(node)], id)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// most is the port of the server that has the most sessions.
func (x *space) most(t *testing.T) string {
	t.Helper()
	best, most := "", 0
	for port, ids := range x.has(t) {
		if len(ids) > most {
			best, most = port, len(ids)
		}
	}
	if best == "" {
		t.Fatal("there are no sessions")
	}
	return best
}
