package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is a cluster of three masters, with so many replicas each, in one
// container. It finds a master that does not answer for two seconds dead, and chooses
// a replica to take its place.
//
// [Server.KillNode] and [Server.StartNode] end one of them and start it again.
func RedisCluster(replicas int) Spec {
	return Spec{
		Name:     "Redis Cluster",
		ImageVar: "SOJOURN_TEST_REDIS_IMAGE", Image: "redis:8",
		Same:  3 * (1 + replicas),
		Env:   map[string]string{"REDISCLI_AUTH": password},
		Entry: []string{"bash", "-c", nodes + fmt.Sprintf(startCluster, replicas)},
		Host:  apart,
		URL: func(addr string) string {
			first, more, _ := strings.Cut(addr, ",")
			return "redis+cluster://:" + password + "@" + first + "?addr=" + strings.ReplaceAll(more, ",", "&addr=")
		},
		Ready: func(ctx context.Context, url string) error { return readyCluster(ctx, url, replicas) },
	}
}

const startCluster = `
bus=20000 # is only asked in the container
for port in $PORTS; do
	bus=$((bus + 1))
	configure "$port" <<-END
		cluster-enabled yes
		cluster-port $bus
		cluster-announce-ip 127.0.0.1
		cluster-node-timeout 2000
		appendonly yes
		appendfsync everysec
		save ""
		repl-diskless-sync-delay 0
		requirepass $REDISCLI_AUTH
		masterauth $REDISCLI_AUTH
	END
	start "$port"
done
for port in $PORTS; do ready "$port"; done
if [ ! -e /data/created ]; then
	touch /data/created # the cluster may be whole, and killed, before the last line has returned
	"$cli" --cluster create $(printf '127.0.0.1:%%s ' $PORTS) --cluster-replicas %d --cluster-yes
fi
stay
`

// readyCluster is nil once every node sees the same whole cluster, and every replica has
// its master's data.
func readyCluster(ctx context.Context, url string, replicas int) error {
	opts, err := redis.ParseClusterURL(strings.Replace(url, "redis+cluster:", "redis:", 1))
	if err != nil {
		return err
	}
	online := 0
	for _, addr := range opts.Addrs {
		n, err := readyNode(ctx, addr, opts.Password, replicas)
		if err != nil {
			return fmt.Errorf("%s: %w", addr, err)
		}
		online += n
	}
	if online != 3*replicas {
		return fmt.Errorf("%d replicas follow their masters, want %d", online, 3*replicas)
	}
	return nil
}

// readyNode asks one node, and returns how many replicas follow it.
func readyNode(ctx context.Context, addr, password string, replicas int) (online int, err error) {
	c := probe(addr, password)
	defer c.Close()
	state, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		return 0, err
	}
	if !strings.Contains(state, "cluster_state:ok") || !strings.Contains(state, "cluster_slots_ok:16384") {
		return 0, fmt.Errorf("not all of the cluster is there: %q", state)
	}
	nodes, err := c.ClusterNodes(ctx).Result()
	if err != nil {
		return 0, err
	}
	roles := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(nodes), "\n") {
		// id address flags master ping-sent pong-received epoch link slots…
		if f := strings.Fields(line); len(f) >= 8 && f[7] == "connected" {
			roles[strings.TrimPrefix(f[2], "myself,")]++
		}
	}
	if roles["master"] != 3 || roles["slave"] != 3*replicas {
		return 0, fmt.Errorf("not all nodes are there: %q", nodes)
	}
	return following(ctx, c)
}

// following returns how many replicas follow the server, and an error if it is itself
// one that does not follow its master.
func following(ctx context.Context, c *redis.Client) (online int, err error) {
	info, err := c.Info(ctx, "replication").Result()
	if err != nil {
		return 0, err
	}
	if strings.Contains(info, "role:slave") && !strings.Contains(info, "master_link_status:up") {
		return 0, fmt.Errorf("the replica has no master: %q", info)
	}
	return strings.Count(info, "state=online"), nil
}
