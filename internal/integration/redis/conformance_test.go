package redis_test

import (
	"context"
	"path"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/internal/reports"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// limit is for a machine that has much else to do while it starts a killed server.
var limit = conformance.Limit(5 * time.Minute)

// conform runs the whole suite against a server, which it kills, without a waiver. The
// other handle is one of another process.
func conform(t *testing.T, s *server.Server, subject func(testing.TB, string, *redis.Options) conformance.Subject, more ...conformance.Option) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		opts := redistest.Options()
		sub := subject(tb, s.URL(), opts)
		x := space{url: s.URL(), opts: *opts, client: redistest.Client(tb, s.URL(), nil)}
		handle := sub.Peer
		sub.Peer = func(ctx context.Context) (store.Store, error) { return peer.Start(ctx, x.storeURL()) }
		sub.Crash = func(ctx context.Context) (store.Store, error) {
			if err := x.everywhere(ctx, func(node *goredis.Client) error { return written(ctx, node) }); err != nil {
				return nil, err
			}
			if err := s.Kill(ctx); err != nil {
				return nil, err
			}
			if err := s.Restart(ctx); err != nil {
				return nil, err
			}
			// With a client of before, which must find its way back: it was refused so often
			// that it answers with that error by itself, and tries again once a second.
			for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				if s, err := handle(ctx); err == nil || time.Since(began) > 10*time.Second {
					return s, err
				}
			}
		}
		return sub
	}, append(more, conformance.Strict(), limit)...)
}

// written returns when the server has handed all it was told to the operating system. With
// appendfsync everysec it holds back what comes while a sync runs, and says so.
func written(ctx context.Context, node *goredis.Client) error {
	for {
		info, err := node.Info(ctx, "persistence").Result()
		if err != nil || strings.Contains(info, "aof_buffer_length:0\r\n") {
			return err
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, server.New(t, server.Redis()), redistest.Subject, reports.Save(t))
}

// Three masters, each of which has a part of the sessions, and all of which are killed.
func TestConformanceOfCluster(t *testing.T) {
	t.Parallel()
	conform(t, server.New(t, server.RedisCluster(0)), redistest.Subject, reports.Save(t))
}

// The same against further versions, Valkey among them.
func TestConformanceOfVersions(t *testing.T) {
	t.Parallel()
	for _, image := range server.Images(t, server.RedisMoreImages, "redis:7.2,valkey/valkey:8") {
		t.Run(strings.NewReplacer("/", "_", ":", "_").Replace(path.Base(image)), func(t *testing.T) {
			t.Parallel()
			conform(t, server.New(t, server.RedisImage(image)), redistest.Subject, reports.Save(t))
		})
	}
}
