package redis_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// The suite with an AutoPipeliner, but for what it has no part in: that a server keeps what
// it was told. (The user would have to survive the kill too.)
func TestConformanceOfAutoPipeliner(t *testing.T) {
	server.Further(t)
	t.Parallel()
	specs := map[string]server.Spec{"one server": server.Redis()}
	if full() {
		specs["a cluster"] = server.RedisCluster(0)
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conform(t, server.New(t, spec), automatic,
				conformance.Claim(conformance.Core, conformance.Listing, conformance.Faults, conformance.Distributed))
		})
	}
}

// automatic is a subject with an AutoPipeliner. That has a client of its own, behind proxies
// and with the user of the subject's, so that all faults strike both.
func automatic(tb testing.TB, rawURL string, opts *redis.Options) conformance.Subject {
	tb.Helper()
	x := newSpace(tb, rawURL)
	x.opts = *opts
	const password = "another-one-of-the-same-user"
	err := x.everywhere(tb.Context(), func(node *goredis.Client) error {
		return node.Do(tb.Context(), "acl", "setuser", x.opts.Prefix, "on", ">"+password, "+@all").Err()
	})
	if err != nil {
		tb.Fatal(err)
	}
	theirs, err := url.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	theirs.User = url.UserPassword(x.opts.Prefix, password)
	network, client := (&space{url: theirs.String()}).through(tb)
	// So that there is a proxy before each server.
	err = (&space{client: client}).everywhere(tb.Context(), func(node *goredis.Client) error { return node.Ping(tb.Context()).Err() })
	if err != nil {
		tb.Fatal(err)
	}
	if x.opts.AutoPipeliner, err = autoPipeliner(client); err != nil {
		tb.Fatal(err)
	}
	sub := redistest.Subject(tb, rawURL, &x.opts)
	sub.Skewed = nil // a handle of this process would have the same AutoPipeliner
	fail := sub.Break
	sub.Break = func(ctx context.Context, f conformance.Fault) (func() int, error) {
		undo, err := fail(ctx, f)
		if err != nil {
			return nil, err
		}
		more := func() int { return 0 }
		switch f.Kind {
		case conformance.Reject:
			more = network.Fail(proxy.Fault{Kind: proxy.Errors})
		case conformance.Refuse:
			more = network.Fail(proxy.Fault{Kind: proxy.Refuse})
		case conformance.Hang:
			more = network.Fail(proxy.Fault{Kind: proxy.DropRequests})
		case conformance.LoseRequest:
			more = network.Fail(proxy.Fault{Kind: proxy.LoseRequest, Between: f.Between})
		case conformance.LoseReply:
			more = network.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: f.Between})
		}
		return func() int { return undo() + more() }, nil
	}
	return sub
}

func autoPipeliner(c goredis.UniversalClient) (*goredis.AutoPipeliner, error) {
	if cluster, ok := c.(*goredis.ClusterClient); ok {
		return cluster.AutoPipeline()
	}
	return c.(*goredis.Client).AutoPipeline()
}

// Close returns when the AutoPipeliner is at no call any more, also of those whose callers
// no longer wait.
func TestCloseWaitsForTheAutoPipeliner(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	auto, err := client.AutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	x.opts.AutoPipeliner = auto
	s := x.open(t, client)
	create(t, s, "a", "")
	want(t, "touch", s.Touch(t.Context(), "a", time.Hour), nil) // the server knows the script
	undo := p.Fail(proxy.Fault{Kind: proxy.Latency, Side: proxy.Requests})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want(t, "touch", s.Touch(ctx, "a", 2*time.Hour), store.ErrUnknown)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		want(t, "close", s.Close(), nil)
	}()
	select {
	case <-closed:
		t.Error("Close returned during a call")
	case <-time.After(100 * time.Millisecond):
	}
	if undo() == 0 {
		t.Fatal("no call was held")
	}
	<-closed
	x.opts.AutoPipeliner = nil
	if e, err := x.open(t, x.client).Load(t.Context(), "a"); err != nil || e.TTL < time.Hour+time.Minute {
		t.Errorf("the touch that nobody waited for: it lives for %v, %v", e.TTL, err)
	}
}

// One whose calls return before they are made is of no use to a store.
func TestAsyncAutoPipelinerIsRefused(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	x.open(t, x.client) // so that the server has an answer to what New asks
	auto, err := x.client.(*goredis.Client).AsyncAutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	x.opts.AutoPipeliner = auto
	_, err = redis.New(x.client, &x.opts)
	want(t, "new", err, store.ErrInvalid)
}
