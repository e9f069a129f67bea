package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// told is what New said of a server: by its error, and to OnError.
func (x *space) told(t *testing.T, c goredis.UniversalClient) (warnings []*redis.Warning, err error) {
	t.Helper()
	opts := x.opts
	opts.OnError = func(err error) {
		w, ok := errors.AsType[*redis.Warning](err)
		if !ok {
			t.Errorf("OnError was told %v, which is no *Warning", err)
		}
		warnings = append(warnings, w)
	}
	s, err := redis.New(c, &opts)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return warnings, err
}

// refused fails the test unless New refused the server for that.
func refused(t *testing.T, err error, f redis.Finding, advice string) {
	t.Helper()
	w, ok := errors.AsType[*redis.Warning](err)
	if !ok || w.Finding != f || !strings.Contains(err.Error(), advice) {
		t.Errorf("New: got %v, want a *Warning %q with %q", err, f, advice)
	}
}

// warned fails the test unless New accepted the server and warned of that alone.
func warned(t *testing.T, err error, warnings []*redis.Warning, f redis.Finding, advice string) {
	t.Helper()
	if err != nil || len(warnings) != 1 || warnings[0].Finding != f || !strings.Contains(warnings[0].Error(), advice) || warnings[0].Server == "" {
		t.Errorf("New: %v and the warnings %v, want %q with %q", err, warnings, f, advice)
	}
}

// Servers that drop live sessions when their memory is full.
func TestEvictionIsTold(t *testing.T) {
	x := newSpace(t, server.New(t, server.Redis()).URL())
	if warnings, err := x.told(t, x.client); err != nil || len(warnings) > 0 {
		t.Errorf("a server as it should be: %v, %v", err, warnings)
	}
	s := x.open(t, x.client)
	check := func(want ...redis.Finding) {
		t.Helper()
		warnings, err := s.Check(t.Context())
		var got []redis.Finding
		for _, w := range warnings {
			got = append(got, w.Finding)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Check: %v, %v, want %v", got, err, want)
		}
	}
	check()
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random"} {
		x.do(t, "config", "set", "maxmemory-policy", policy)
		_, err := x.told(t, x.client)
		refused(t, err, redis.EvictsAny, "maxmemory-policy to noeviction")
		x.opts.Evictable = true
		warnings, err := x.told(t, x.client)
		warned(t, err, warnings, redis.EvictsAny, "live sessions")
		x.opts.Evictable = false
		check(redis.EvictsAny)
	}
	for _, policy := range []string{"volatile-ttl", "volatile-lru", "volatile-random"} {
		x.do(t, "config", "set", "maxmemory-policy", policy)
		warnings, err := x.told(t, x.client)
		warned(t, err, warnings, redis.EvictsVolatile, policy)
		check(redis.EvictsVolatile)
	}

	// It does what the warning says, and the warning says so from then on.
	for n := range 20 {
		create(t, s, fmt.Sprint(n), strings.Repeat("x", 10<<10))
	}
	x.do(t, "config", "set", "maxmemory", 1)
	_, _ = s.Create(t.Context(), "one more", store.Record{}, time.Hour)
	x.do(t, "config", "set", "maxmemory", 0)
	if n, err := s.Count(t.Context()); n > 10 || err != nil {
		t.Errorf("%d sessions of 20 are left, %v", n, err)
	}
	warnings, err := x.told(t, x.client)
	warned(t, err, warnings, redis.EvictsVolatile, "it has dropped "+fmt.Sprint(x.info(t, "stats", "evicted_keys"))+" keys")

	x.do(t, "config", "set", "maxmemory-policy", "noeviction")
	check()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Check(over)
	want(t, "Check with a context that is over", err, context.Canceled)
	_ = s.Close()
	_, err = s.Check(t.Context())
	want(t, "Check of a closed store", err, store.ErrClosed)
}

// Servers that are not what the client takes them for.
func TestWrongServerIsTold(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	x := newSpace(t, urlOf(t, p.sv, p.master))
	t.Run("a Sentinel", func(t *testing.T) {
		c := redistest.Client(t, "redis://"+p.sv.Addr(), nil)
		_, err := x.told(t, c)
		refused(t, err, redis.WrongMode, "NewFailoverClient")
	})
	t.Run("a replica", func(t *testing.T) {
		replica := direct(t, p.sv, p.replica)
		warnings, err := x.told(t, replica)
		if code(err) != "READONLY" || len(warnings) != 1 || warnings[0].Finding != redis.IsReplica {
			t.Errorf("where there is nothing yet: %v, %v, want READONLY and a warning", err, warnings)
		}
		s := x.open(t, x.client)
		caughtUp(t, x.client.(*goredis.Client), 1)
		warnings, err = x.told(t, replica)
		warned(t, err, warnings, redis.IsReplica, "connect to its master")
		found, err := s.Check(t.Context())
		if len(found) > 0 || err != nil {
			t.Errorf("the master: %v, %v", found, err)
		}
	})
	t.Run("one of a cluster", func(t *testing.T) {
		x := newSpace(t, cluster.URL(t))
		nodes, err := masters(t.Context(), x.client.(*goredis.ClusterClient))
		if err != nil {
			t.Fatal(err)
		}
		_, err = x.told(t, nodes[0])
		refused(t, err, redis.WrongMode, "NewClusterClient")
	})
	t.Run("a cluster that is read through its replicas", func(t *testing.T) {
		x := newSpace(t, cluster.URL(t))
		for name, set := range map[string]func(*goredis.ClusterOptions){
			"ReadOnly":       func(o *goredis.ClusterOptions) { o.ReadOnly = true },
			"RouteByLatency": func(o *goredis.ClusterOptions) { o.RouteByLatency = true },
			"RouteRandomly":  func(o *goredis.ClusterOptions) { o.RouteRandomly = true },
		} {
			o := *x.client.(*goredis.ClusterClient).Options()
			set(&o)
			c := goredis.NewClusterClient(&o)
			t.Cleanup(func() { _ = c.Close() })
			warnings, err := x.told(t, c)
			warned(t, err, warnings, redis.ReadsReplicas, name)
		}
	})
}

// A server that does not say how it is set may drop sessions: nobody can tell.
func TestUnseenIsTold(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	user := x.opts.Prefix
	x.do(t, "acl", "setuser", user, "on", ">pw", "~"+x.opts.Prefix+"{*", "+@all", "-info")
	t.Cleanup(func() { x.client.Do(context.Background(), "acl", "deluser", user) })
	o := *x.client.(*goredis.Client).Options()
	o.Username, o.Password = user, "pw"
	c := goredis.NewClient(&o)
	t.Cleanup(func() { _ = c.Close() })
	warnings, err := x.told(t, c)
	warned(t, err, warnings, redis.Unseen, "INFO")
	create(t, x.open(t, c), "a", "")
}

// All who use a prefix agree on the number of slots, or do not begin.
func TestSlotsAreAgreedOn(t *testing.T) {
	bothKinds(t, func(t *testing.T, x *space) {
		plain := x.opts
		x.opts.Slots = 16
		s := x.open(t, x.client)
		fill(t, s, "o", 50)
		x.opts.Slots = 8
		_, err := x.told(t, x.client)
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("with another number: got %v, want ErrInvalid", err)
		}
		for _, advice := range []string{"Options.Slots is 8", "have 16", "delete the key " + x.opts.Prefix + "{slots}"} {
			if err == nil || !strings.Contains(err.Error(), advice) {
				t.Errorf("with another number: got %v, want %q", err, advice)
			}
		}
		x.opts = plain
		other := x.open(t, x.client)
		// Whoever comes first after a server has lost all it had may want another number.
		x.do(t, "set", x.opts.Prefix+"{slots}", 1)
		if w, err := other.Check(t.Context()); err != nil || len(w) != 1 || w[0].Finding != redis.OtherSlots || !strings.Contains(w[0].Error(), "have 1 slots, and this store has 16") {
			t.Errorf("with another number meanwhile: %v, %v", w, err)
		}
		x.do(t, "del", x.opts.Prefix+"{slots}")
		if w, err := other.Check(t.Context()); err != nil || len(w) != 0 {
			t.Errorf("with none: %v, %v", w, err)
		}
		if n, err := other.DeleteOwner(t.Context(), "o"); n != 50 || err != nil {
			t.Errorf("with the default: %d of 50, %v", n, err)
		}
		if n := x.agree(t, other); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		for _, junk := range []string{"", "x", "0", "-1", "4097", "16x"} {
			x.do(t, "set", x.opts.Prefix+"{slots}", junk)
			_, err = x.told(t, x.client)
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "somebody else's") {
				t.Errorf("with %q: got %v, want ErrInvalid", junk, err)
			}
		}
	})
}
