package redis_test

import (
	"context"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// onStep is a hook that calls do ahead of whatever goes to a server, and counts the scripts
// that were missed.
type onStep struct {
	do     func(ctx context.Context) error
	missed atomic.Int64
}

func (h *onStep) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (h *onStep) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if err := h.do(ctx); err != nil {
			return err
		}
		err := next(ctx, cmd)
		h.count(err)
		return err
	}
}

func (h *onStep) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if err := h.do(ctx); err != nil {
			return err
		}
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			h.count(cmd.Err())
		}
		return err
	}
}

func (h *onStep) count(err error) {
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		h.missed.Add(1)
	}
}

// hook has a client call the hook before each server.
func hook(c goredis.UniversalClient, h goredis.Hook) goredis.UniversalClient {
	switch c := c.(type) {
	case *goredis.Client:
		c.AddHook(h)
	case *goredis.ClusterClient:
		c.OnNewNode(func(node *goredis.Client) { node.AddHook(h) })
	}
	return c
}
