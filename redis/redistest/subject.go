package redistest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// Options are those of a store with a prefix of its own.
func Options() *redis.Options {
	return &redis.Options{Prefix: "sojourn-test-" + strings.ToLower(rand.Text()[:12])}
}

// Subject is a store with a prefix of its own, whose keys are removed in the end, with all
// that the suite can do to it but kill the server (Crash). The URL is one that package
// redis's Opener takes, without its parameters. The options may be nil; they are not
// kept, and a Prefix in them is used as it is, so that each call wants another one.
//
// Nothing but the keys of the prefix is touched, and a user that is made and removed again
// (ACL SETUSER), so that the server may be in use. Where that is not allowed, or the server
// insists on TLS, the faults that need it are skipped.
func Subject(tb testing.TB, url string, opts *redis.Options) conformance.Subject {
	tb.Helper()
	sub := &subject{tb: tb, url: url, direct: Client(tb, url, nil), network: proxy.NewNetwork(tb, proxy.Redis)}
	if opts != nil {
		sub.opts = *opts
	}
	if sub.opts.Prefix == "" {
		sub.opts.Prefix = Options().Prefix
	}
	if sub.opts.MaxData == 0 {
		sub.opts.MaxData = 1 << 20
	}
	tb.Cleanup(sub.clean)
	sub.makeUser()
	sub.client = connect(tb, url, sub.network.DialContext, sub.user, password)
	sub.store = sub.open(sub.client)
	return conformance.Subject{
		Store: sub.store,
		Age:   sub.age,
		Peer:  sub.peer,
		// The store never asks for the time of its own machine.
		Skewed:     func(ctx context.Context, _ time.Duration) (store.Store, error) { return sub.peer(ctx) },
		Reopen:     sub.reopen,
		Break:      sub.fail,
		Corrupt:    sub.corrupt,
		LoseIndex:  sub.loseIndex,
		Raw:        sub.raw,
		Rows:       sub.rows,
		Client:     func(ctx context.Context) error { return sub.client.Ping(context.WithoutCancel(ctx)).Err() },
		MaxData:    sub.opts.MaxData,
		Precision:  time.Millisecond,
		Expires:    "the server",
		Durability: "process", // and what the server's appendfsync says beyond that
		Server:     sub.server(),
	}
}

// subject is what the hooks of a conformance.Subject work on.
type subject struct {
	tb      testing.TB
	url     string
	opts    redis.Options
	direct  goredis.UniversalClient // not through proxies
	network *proxy.Network
	user    string // of client, or ""
	client  goredis.UniversalClient
	store   *redis.Store
}

func (sub *subject) open(c goredis.UniversalClient) *redis.Store {
	sub.tb.Helper()
	s, err := redis.New(c, &sub.opts)
	if err != nil {
		sub.tb.Fatal(err)
	}
	sub.tb.Cleanup(func() { _ = s.Close() })
	return s
}

func (sub *subject) peer(context.Context) (store.Store, error) {
	return redis.New(sub.direct, &sub.opts)
}

func (sub *subject) reopen(context.Context) (store.Store, error) {
	if err := sub.store.Close(); err != nil {
		return nil, err
	}
	_ = sub.client.Close()
	sub.client = connect(sub.tb, sub.url, sub.network.DialContext, sub.user, password)
	return redis.New(sub.client, &sub.opts)
}

const password = "known-to-nobody"

// makeUser makes a user whose rights can be taken away, where that is allowed.
func (sub *subject) makeUser() {
	user := sub.opts.Prefix
	err := masters(sub.tb.Context(), sub.direct, func(ctx context.Context, node *goredis.Client) error {
		return node.Do(ctx, "acl", "setuser", user, "on", ">"+password, "~"+user+"{*", "+@all").Err()
	})
	if err == nil {
		sub.user = user
	}
}

// rights gives the user rights, or takes them away.
func (sub *subject) rights(ctx context.Context, rule string) error {
	return masters(ctx, sub.direct, func(ctx context.Context, node *goredis.Client) error {
		return node.Do(ctx, "acl", "setuser", sub.user, rule).Err()
	})
}

// fail makes a fault. The server answers with errors when the user has no rights.
func (sub *subject) fail(ctx context.Context, f conformance.Fault) (undo func() int, err error) {
	if f.Kind != conformance.Reject {
		return sub.network.Break(ctx, f)
	}
	if sub.user == "" {
		return nil, fmt.Errorf("no user could be made: %w", errors.ErrUnsupported)
	}
	counted := sub.network.Fail(proxy.Fault{Kind: proxy.Errors})
	undo = func() int {
		if err := sub.rights(context.Background(), "+@all"); err != nil {
			sub.tb.Error(err)
		}
		return counted()
	}
	if err := sub.rights(ctx, "-@all"); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// keys calls f with keys of the prefix that match the rest of the pattern, and the client
// of the server that has them.
func (sub *subject) keys(ctx context.Context, rest string, f func(ctx context.Context, node *goredis.Client, key string) error) error {
	return masters(ctx, sub.direct, func(ctx context.Context, node *goredis.Client) error {
		it := node.Scan(ctx, 0, sub.opts.Prefix+rest, 500).Iterator()
		for it.Next(ctx) {
			if err := f(ctx, node, it.Val()); err != nil {
				return err
			}
		}
		return it.Err()
	})
}

// What follows "prefix" in the keys of sessions and of indexes.
const (
	sessions = "{???}s:*"
	indexes  = "{???}o:*"
)

var older = goredis.NewScript(`
local t = redis.call('PEXPIRETIME', KEYS[1])
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
	for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZINCRBY', KEYS[1], -ARGV[1], id) end
end
if t > 0 then redis.call('PEXPIREAT', KEYS[1], math.max(t - ARGV[1], 1)) end
`)

func (sub *subject) age(ctx context.Context, d time.Duration) error {
	var all []string
	err := sub.keys(ctx, "{???}?:*", func(_ context.Context, _ *goredis.Client, key string) error {
		all = append(all, key)
		return nil
	})
	once := map[string]bool{} // SCAN finds some twice
	for _, key := range all {
		if err == nil && !once[key] {
			if err = older.Run(ctx, sub.direct, []string{key}, d.Milliseconds()).Err(); errors.Is(err, goredis.Nil) {
				err = nil
			}
		}
		once[key] = true
	}
	return err
}

func (sub *subject) corrupt(ctx context.Context, id string) error {
	found := false
	err := sub.keys(ctx, sessions, func(ctx context.Context, node *goredis.Client, key string) error {
		if !strings.HasSuffix(key, "}s:"+id) {
			return nil
		}
		found = true
		return node.SetRange(ctx, key, 0, "\xff").Err()
	})
	if err == nil && !found {
		err = errors.New("the session is not there")
	}
	return err
}

func (sub *subject) loseIndex(ctx context.Context) error {
	return sub.keys(ctx, indexes, func(ctx context.Context, node *goredis.Client, key string) error {
		return node.Unlink(ctx, key).Err()
	})
}

func (sub *subject) raw(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	err := sub.keys(ctx, "{???}*", func(ctx context.Context, node *goredis.Client, key string) error {
		out.WriteString(key + "\n")
		if strings.HasPrefix(key[strings.Index(key, "}"):], "}o:") {
			all, err := node.ZRange(ctx, key, 0, -1).Result()
			out.WriteString(strings.Join(all, "\n"))
			return err
		}
		b, err := node.Get(ctx, key).Bytes()
		out.Write(b)
		if errors.Is(err, goredis.Nil) {
			err = nil // it has just expired
		}
		return err
	})
	return out.Bytes(), err
}

// rows counts records, and indexes of which no record is left. An index that has one may
// have entries of what has expired: they go when it is next written to, or with it.
func (sub *subject) rows(ctx context.Context) (int, error) {
	ids := map[string]bool{}
	err := sub.keys(ctx, sessions, func(_ context.Context, _ *goredis.Client, key string) error {
		_, id, _ := strings.Cut(key, "}s:")
		ids[id] = true
		return nil
	})
	n := len(ids)
	if err != nil {
		return 0, err
	}
	err = sub.keys(ctx, indexes, func(ctx context.Context, node *goredis.Client, key string) error {
		all, err := node.ZRange(ctx, key, 0, -1).Result()
		if err == nil && len(all) > 0 && !slices.ContainsFunc(all, func(id string) bool { return ids[id] }) {
			n++
		}
		return err
	})
	return n, err
}

// server is like "Redis 8.0.2", or "Redis 8.0.2 in a cluster of 3".
func (sub *subject) server() string {
	version, nodes := "", 0
	err := masters(sub.tb.Context(), sub.direct, func(ctx context.Context, node *goredis.Client) error {
		nodes++
		info, err := node.Info(ctx, "server").Result()
		name := "Redis"
		for line := range strings.Lines(info) {
			field, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch {
			case field == "redis_version" && name == "Redis":
				version = "Redis " + value
			case field == "valkey_version":
				name = "Valkey"
				version = "Valkey " + value
			}
		}
		return err
	})
	if err != nil {
		sub.tb.Fatal(err)
	}
	if nodes > 1 {
		version += fmt.Sprintf(" in a cluster of %d", nodes)
	}
	return version
}

// clean removes the keys and the user.
func (sub *subject) clean() {
	ctx := context.Background()
	err := sub.keys(ctx, "{*", func(ctx context.Context, node *goredis.Client, key string) error {
		return node.Unlink(ctx, key).Err()
	})
	if err != nil {
		sub.tb.Errorf("keys were not removed: %v", err)
	}
	if sub.user == "" {
		return
	}
	err = masters(ctx, sub.direct, func(ctx context.Context, node *goredis.Client) error {
		return node.Do(ctx, "acl", "deluser", sub.user).Err()
	})
	if err != nil {
		sub.tb.Errorf("the user was not removed: %v", err)
	}
}
