package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/store"
)

// Commands that go-redis does not repeat by itself: a repeat that nobody knows of turns
// "applied" into "conflict". It repeats those that were answered with another server's
// address, which were not applied.
type (
	command struct{ *redis.Cmd }
	get     struct{ *redis.StringCmd }
	number  struct{ *redis.IntCmd }
	list    struct{ *redis.StringSliceCmd }
	scan    struct{ *redis.ScanCmd }
)

func (command) NoRetry() bool { return true }
func (get) NoRetry() bool     { return true }
func (number) NoRetry() bool  { return true }
func (list) NoRetry() bool    { return true }
func (scan) NoRetry() bool    { return true }

func newScan(ctx context.Context, args ...any) scan { return scan{redis.NewScanCmd(ctx, nil, args...)} }

func newCommand(ctx context.Context, args ...any) command { return command{redis.NewCmd(ctx, args...)} }

func newGet(ctx context.Context, args ...any) get { return get{redis.NewStringCmd(ctx, args...)} }

func newNumber(ctx context.Context, args ...any) number { return number{redis.NewIntCmd(ctx, args...)} }

func newList(ctx context.Context, args ...any) list {
	return list{redis.NewStringSliceCmd(ctx, args...)}
}

// client is the caller's, of one server or of a cluster.
type client struct {
	one     *redis.Client        // or nil
	cluster *redis.ClusterClient // or nil
	auto    *redis.AutoPipeliner // or nil
	under   sync.WaitGroup       // calls that auto is at
	mu      sync.RWMutex         // closing and the start of such a call exclude each other
	closed  bool
}

// newClient refuses what the store cannot use.
func newClient(c redis.UniversalClient, auto *redis.AutoPipeliner) (*client, error) {
	const how = "set it, or a call would wait for seconds after its deadline has passed"
	switch c := c.(type) {
	case *redis.Client:
		if !c.Options().ContextTimeoutEnabled {
			return nil, fmt.Errorf("%w: redis.Options.ContextTimeoutEnabled is false: %s (FailoverOptions and UniversalOptions have it too)", store.ErrInvalid, how)
		}
		return &client{one: c, auto: auto}, nil
	case *redis.ClusterClient:
		if !c.Options().ContextTimeoutEnabled {
			return nil, fmt.Errorf("%w: redis.ClusterOptions.ContextTimeoutEnabled is false: %s (UniversalOptions has it too)", store.ErrInvalid, how)
		}
		return &client{cluster: c, auto: auto}, nil
	case *redis.AutoPipeliner:
		return nil, fmt.Errorf("%w: New takes the client itself; the AutoPipeliner goes into Options.AutoPipeliner", store.ErrInvalid)
	default:
		return nil, fmt.Errorf("%w: New takes a *redis.Client or a *redis.ClusterClient, as redis.NewClient, NewFailoverClient, NewClusterClient and NewUniversalClient return them; this is a %T",
			store.ErrInvalid, c)
	}
}

// node returns the client of the server that has the key, never of one of its replicas,
// which may be behind.
func (c *client) node(ctx context.Context, key string) (*redis.Client, error) {
	if c.one != nil {
		return c.one, nil
	}
	return c.cluster.MasterForKey(ctx, key)
}

// masters returns the clients of all servers that have keys.
func (c *client) masters(ctx context.Context) ([]*redis.Client, error) {
	if c.one != nil {
		return []*redis.Client{c.one}, nil
	}
	var mu sync.Mutex
	var out []*redis.Client
	err := c.cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, node)
		return nil
	})
	slices.SortFunc(out, func(a, b *redis.Client) int { return strings.Compare(a.Options().Addr, b.Options().Addr) })
	return out, err
}

// process sends a command to the server that has its key.
func (c *client) process(ctx context.Context, cmd redis.Cmder) error {
	switch {
	case c.auto != nil:
		return c.queue(ctx, cmd)
	case c.one != nil:
		return c.one.Process(ctx, cmd)
	default:
		return c.cluster.Process(ctx, cmd)
	}
}

// queue has the AutoPipeliner send a command. That minds no deadline, so that somebody
// else waits with it. When ctx ends first, cmd must not be looked at any more.
func (c *client) queue(ctx context.Context, cmd redis.Cmder) error {
	c.mu.RLock()
	if c.closed {
		c.mu.RUnlock()
		return store.ErrClosed
	}
	done := make(chan error, 1)
	c.under.Go(func() { done <- c.auto.Process(context.WithoutCancel(ctx), cmd) })
	c.mu.RUnlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// redirected reports whether a server answered that another one has the key.
func (c *client) redirected(err error) bool {
	return c.cluster != nil && err != nil && (redis.HasErrorPrefix(err, "MOVED ") || redis.HasErrorPrefix(err, "ASK "))
}

// follow asks again, of whichever server has the key, and has the cluster's map of them
// read anew.
func (c *client) follow(ctx context.Context, cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		cmd.SetErr(nil)
		_ = c.cluster.Process(ctx, cmd) // it has its error
	}
}

// close waits for what is under way in the AutoPipeliner.
func (c *client) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.under.Wait()
}

// eval runs a script, which is sent along only to a server that does not know it yet.
func (c *client) eval(ctx context.Context, sc *script, keys []string, args ...any) (any, error) {
	cmd := scriptCommand(ctx, false, sc, keys, args...)
	err := c.process(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = scriptCommand(ctx, true, sc, keys, args...)
		err = c.process(ctx, cmd)
	}
	if err != nil {
		return nil, err
	}
	return cmd.Val(), nil
}

// scriptCommand runs a script, sent along with it or named.
func scriptCommand(ctx context.Context, source bool, sc *script, keys []string, args ...any) command {
	all := make([]any, 0, 3+len(keys)+len(args))
	if source {
		all = append(all, "eval", sc.source)
	} else {
		all = append(all, "evalsha", sc.hash)
	}
	all = append(all, len(keys))
	for _, k := range keys {
		all = append(all, k)
	}
	return newCommand(ctx, append(all, args...)...)
}
