package redis_test

import (
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/redis"
)

// What INFO of various servers says, as far as it is looked at.
func TestFindings(t *testing.T) {
	const sound = "# Server\r\nredis_version:8.0.2\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nevicted_keys:0\r\n"
	with := func(old, new string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(sound, old, new, 1)
	}
	for _, c := range []struct {
		what, info string
		cluster    bool
		finding    redis.Finding
		advice     string
		fatal      bool
	}{
		{"sound", sound, false, "", "", false},
		{"one of a cluster", with("standalone", "cluster"), true, "", "", false},
		{"Valkey", with("redis_version:8.0.2", "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1"), false, "", "", false},
		{"not a word", "", false, "", "", false},
		{"allkeys", with("noeviction", "allkeys-lru"), false, redis.EvictsAny, "Options.Evictable", true},
		{"volatile", with("noeviction", "volatile-ttl"), false, redis.EvictsVolatile, "volatile-ttl", false},
		{"has dropped", strings.Replace(with("noeviction", "volatile-lru"), "evicted_keys:0", "evicted_keys:17", 1), false, redis.EvictsVolatile, "dropped 17 keys", false},
		{"replica", with("role:master", "role:slave"), false, redis.IsReplica, "master", false},
		{"Redis 6", with("8.0.2", "6.2.14"), false, redis.TooOld, "Redis 7.0", true},
		{"Sentinel", with("standalone", "sentinel"), false, redis.WrongMode, "redis+sentinel", true},
		{"a part of a cluster", with("standalone", "cluster"), false, redis.WrongMode, "redis+cluster", true},
	} {
		found := redis.Findings("h:1", c.info, c.cluster)
		if c.finding == "" {
			if len(found) > 0 {
				t.Errorf("%s: %v", c.what, found[0])
			}
			continue
		}
		if len(found) != 1 || found[0].Finding != c.finding || found[0].Server != "h:1" || !strings.Contains(found[0].Error(), c.advice) || !strings.Contains(found[0].Error(), "h:1") {
			t.Errorf("%s: %v, want %q with %q", c.what, found, c.finding, c.advice)
			continue
		}
		if redis.Fatal(found[0], &redis.Options{}) != c.fatal {
			t.Errorf("%s: New refuses it: %v, want %v", c.what, !c.fatal, c.fatal)
		}
		if c.finding == redis.EvictsAny && redis.Fatal(found[0], &redis.Options{Evictable: true}) {
			t.Error("it was accepted")
		}
	}
}
