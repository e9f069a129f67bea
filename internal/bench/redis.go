package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// rd measures the store of package redis against commands sent by hand.
type rd struct {
	server *redisServer
	sizes  rdSizes
}

// rdSizes are how much of everything there is. A test takes less.
type rdSizes struct {
	held         int           // sessions of which a verb is compared
	small, large int           // before the server has grown, and after it
	stored       int           // sessions whose bytes are counted
	most         int           // bytes of them
	still        time.Duration // that the server's memory must stay the same to be looked at
}

var rdFull = rdSizes{held: 4096, small: 10_000, large: crowd, stored: crowd, most: 8 << 30, still: 3 * time.Second}

func (r *rd) rows() []row {
	rows := []row{{"redis, the server", r.describe}}
	for _, goroutines := range []int{1, 16} {
		for _, name := range []string{"load", "create", "update", "touch", "delete"} {
			for _, owned := range []bool{false, true} {
				what := "redis, " + name + ", " + whose(owned)
				rows = append(rows, row{what + ", " + count(goroutines), func(cycles int) ([]line, error) {
					return r.verb(name, owned, goroutines, cycles)
				}})
			}
		}
	}
	for _, goroutines := range []int{16, 256} {
		rows = append(rows, row{"redis, load by an AutoPipeliner, " + count(goroutines), func(cycles int) ([]line, error) {
			return r.pipelined(goroutines, cycles)
		}})
	}
	return append(rows, row{"redis, growth", r.growth})
}

func whose(owned bool) string {
	if owned {
		return "with an owner"
	}
	return "nobody's"
}

// describe shows what the figures depend on.
func (r *rd) describe(int) ([]line, error) {
	client, err := r.server.open()
	if err != nil {
		return nil, err
	}
	info, err := client.Info(ctx).Result()
	said := "Redis " + field(info, "redis_version")
	if v := field(info, "valkey_version"); v != "" {
		said = "Valkey " + v
	}
	for _, name := range []string{"mem_allocator", "maxmemory_policy", "aof_enabled", "io_threads_active"} {
		said += ", " + name + " " + field(info, name)
	}
	return []line{{what: "redis, the server", noise: said}}, err
}

// field returns a field of what INFO answers, or "".
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// space is a prefix, and what is used under it.
type space struct {
	client *goredis.Client
	store  *redis.Store
	auto   *goredis.AutoPipeliner // of client
	quick  *redis.Store           // the same store by auto
	prefix string
	owners int // that there are
}

func (r *rd) space(name string) (*space, error) {
	client, err := r.server.open()
	if err != nil {
		return nil, err
	}
	p := &space{client: client, prefix: r.server.token + "-" + name}
	if p.auto, err = client.AutoPipeline(); err != nil {
		return nil, err
	}
	if p.store, err = redis.New(client, &redis.Options{Prefix: p.prefix}); err != nil {
		return nil, err
	}
	p.quick, err = redis.New(client, &redis.Options{Prefix: p.prefix, AutoPipeliner: p.auto})
	return p, err
}

// close removes what is under the prefix.
func (p *space) close() {
	_ = errors.Join(p.store.Close(), p.quick.Close())
	_ = removeKeys(ctx, p.client, p.prefix)
}

// raw is the key under which a program keeps by hand what belongs to an id.
func (p *space) raw(id string) string { return p.prefix + ":" + id }

// visitor is who has a session.
type visitor struct {
	id, owner string
	key       string // of what is kept for him by hand
	revision  store.Revision
}

// visitors returns n, each with an owner of his own or all with none.
func (p *space) visitors(n int, owned bool) []visitor {
	all := make([]visitor, n)
	for i, id := range newIDs(n) {
		all[i] = visitor{id: id, key: p.raw(id)}
		if owned {
			all[i].owner = owner(p.owners)
			p.owners++
		}
	}
	return all
}

// create makes their sessions, by the store's own Create.
func (p *space) create(all []visitor, data []byte) error {
	return each(all, func(v *visitor) (err error) {
		v.revision, err = p.quick.Create(ctx, v.id, store.Record{Data: data, Owner: v.owner}, lifetime)
		return err
	})
}

// keep does by hand what create does.
func (p *space) keep(all []visitor, data []byte) error {
	return each(all, func(v *visitor) error { return p.auto.Set(ctx, v.key, data, lifetime).Err() })
}

// each calls f for all of them, so many at once as fill the pipelines of an AutoPipeliner.
func each(all []visitor, f func(v *visitor) error) error {
	const most = 256
	return together(most, func(g int) error {
		for i := g; i < len(all); i += most {
			if err := f(&all[i]); err != nil {
				return fmt.Errorf("%d of %d: %w", i, len(all), err)
			}
		}
		return nil
	})
}
