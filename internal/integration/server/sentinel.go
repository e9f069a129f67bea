package server

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// sentinels is how many there are. Two agree that the master is dead.
const sentinels = 3

// RedisSentinel is a master with a replica, watched by three sentinels under the name
// sojourn, in one container. They find a master that does not answer for a second dead.
// [Server.Ports] lists the sentinels, the master and the replica, as they began.
//
// [Server.KillNode] and [Server.StartNode] end one of them and start it again.
func RedisSentinel() Spec {
	return Spec{
		Name:     "Redis Sentinel",
		ImageVar: "SOJOURN_TEST_REDIS_IMAGE", Image: "redis:8",
		Same:  sentinels + 2,
		Env:   map[string]string{"REDISCLI_AUTH": password},
		Entry: []string{"bash", "-c", nodes + startSentinel},
		Host:  apart,
		URL: func(addr string) string {
			first := strings.Split(addr, ",")[:sentinels]
			return "redis+sentinel://" + first[0] + "/0?master_name=sojourn&password=" + password + "&addr=" + strings.Join(first[1:], "&addr=")
		},
		Ready: readySentinel,
	}
}

const startSentinel = `
set -- $PORTS
master=$4
for port in $4 $5; do
	{
		cat <<-END
			replica-announce-ip 127.0.0.1
			appendonly yes
			appendfsync everysec
			save ""
			repl-diskless-sync-delay 0
			requirepass $REDISCLI_AUTH
			masterauth $REDISCLI_AUTH
		END
		[ "$port" = "$master" ] || echo "replicaof 127.0.0.1 $master"
	} | configure "$port"
	start "$port"
done
# What a sentinel does not see at once it sees ten seconds later.
until "$cli" -p "$5" info replication | grep -q -e role:master -e master_link_status:up; do sleep 0.05; done
for port in $1 $2 $3; do
	configure "$port" <<-END
		sentinel announce-ip 127.0.0.1
		sentinel monitor sojourn 127.0.0.1 $master 2
		sentinel auth-pass sojourn $REDISCLI_AUTH
		sentinel down-after-milliseconds sojourn 1000
		sentinel failover-timeout sojourn 5000
	END
	touch "/data/$port/sentinel"
	start "$port"
done
stay
`

// readySentinel is nil once the sentinels see the same master, its replica and each
// other, and the replica has its master's data.
func readySentinel(ctx context.Context, url string) error {
	opts, err := redis.ParseFailoverURL(strings.Replace(url, "redis+sentinel:", "redis:", 1))
	if err != nil {
		return err
	}
	master := ""
	for _, addr := range opts.SentinelAddrs {
		m, err := readyWatch(ctx, addr, opts.MasterName)
		if err != nil {
			return fmt.Errorf("%s: %w", addr, err)
		}
		if master != "" && m != master {
			return fmt.Errorf("the sentinels see two masters, %s and %s", master, m)
		}
		master = m
	}
	c := probe(master, opts.Password)
	defer c.Close()
	if online, err := following(ctx, c); err != nil || online != 1 {
		return fmt.Errorf("%d replicas follow the master, want 1, %w", online, err)
	}
	return nil
}

// readyWatch asks one sentinel, and returns the address of the master.
func readyWatch(ctx context.Context, addr, name string) (master string, err error) {
	c := redis.NewSentinelClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	defer c.Close()
	m, err := c.Master(ctx, name).Result()
	if err != nil {
		return "", err
	}
	replicas, err := c.Replicas(ctx, name).Result()
	if err != nil {
		return "", err
	}
	others, err := c.Sentinels(ctx, name).Result()
	if err != nil {
		return "", err
	}
	if m["flags"] != "master" {
		return "", fmt.Errorf("the master is %s", m["flags"])
	}
	if len(replicas) != 1 || replicas[0]["flags"] != "slave" {
		return "", fmt.Errorf("the replicas are %v", replicas)
	}
	if len(others) != sentinels-1 {
		return "", fmt.Errorf("it knows %d others", len(others))
	}
	for _, o := range others {
		if o["flags"] != "sentinel" {
			return "", fmt.Errorf("another one is %s", o["flags"])
		}
	}
	return net.JoinHostPort(m["ip"], m["port"]), nil
}
