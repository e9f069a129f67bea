package redis

import (
	"context"
	"errors"
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
	command struct {
		*redis.Cmd
		sent *wire // one of its arguments
	}
	get    struct{ *redis.StringCmd }
	number struct{ *redis.IntCmd }
	list   struct{ *redis.StringSliceCmd }
	scan   struct{ *redis.ScanCmd }
)

func (command) NoRetry() bool { return true }
func (get) NoRetry() bool     { return true }
func (number) NoRetry() bool  { return true }
func (list) NoRetry() bool    { return true }
func (scan) NoRetry() bool    { return true }

func newScan(ctx context.Context, args ...any) scan { return scan{redis.NewScanCmd(ctx, nil, args...)} }

func newCommand(ctx context.Context, sent *wire, args ...any) command {
	return command{redis.NewCmd(ctx, args...), sent}
}

func newGet(ctx context.Context, args ...any) get { return get{redis.NewStringCmd(ctx, args...)} }

func newNumber(ctx context.Context, args ...any) number { return number{redis.NewIntCmd(ctx, args...)} }

func newList(ctx context.Context, args ...any) list {
	return list{redis.NewStringSliceCmd(ctx, args...)}
}

// wire is an argument that knows whether go-redis has asked for its bytes, as it does when
// it writes a command. An error from before that (of the pool, a dial, a login, a limiter)
// says that nothing was applied, whatever it is. An AutoPipeliner asks for its size too:
// what it has queued counts as written.
type wire struct {
	b    []byte
	sent bool
}

func (w *wire) MarshalBinary() ([]byte, error) {
	w.sent = true
	return w.b, nil
}

// unsentError is an error from before a command was written.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// exec sends a pipeline. What a server answered to the start of a connection (its login,
// SELECT), go-redis tells of the pipeline and of none of its commands.
func exec(ctx context.Context, pipe redis.Pipeliner) {
	cmds, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range cmds {
		if w, ok := c.(command); ok && w.sent.sent {
			c.SetErr(err) // it is a hook's, from after the answers
		} else {
			c.SetErr(&unsentError{err})
		}
	}
}

// nothing reports whether the server answered that there is nothing. A Sentinel does so too,
// of a master that it does not know: then nobody was asked.
func nothing(err error) bool { return errors.Is(err, redis.Nil) && !unsent(err) }

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
	if auto != nil && !auto.IsBlocking() {
		return nil, fmt.Errorf("%w: Options.AutoPipeliner does not wait for answers: it is one of AsyncAutoPipeline, and has to be one of AutoPipeline", store.ErrInvalid)
	}
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
	var err error
	switch {
	case c.auto != nil:
		return c.queue(ctx, cmd)
	case c.one != nil:
		err = c.one.Process(ctx, cmd)
	default:
		err = c.cluster.Process(ctx, cmd)
	}
	if w, ok := cmd.(command); ok && err != nil && !w.sent.sent {
		return &unsentError{err}
	}
	return err
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
	sent := &wire{b: sc.hash}
	if source {
		sent.b = sc.source
		all = append(all, "eval", sent)
	} else {
		all = append(all, "evalsha", sent)
	}
	all = append(all, len(keys))
	for _, k := range keys {
		all = append(all, k)
	}
	return newCommand(ctx, sent, append(all, args...)...)
}
