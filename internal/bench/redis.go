package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/redis"
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
	rows := append([]row{{"redis, the server", r.describe}}, verbRows("redis", r.verb)...)
	for _, goroutines := range []int{16, 256} {
		rows = append(rows, row{"redis, load by an AutoPipeliner, " + count(goroutines), func(cycles int) ([]line, error) {
			return r.pipelined(goroutines, cycles)
		}})
	}
	return append(rows, row{"redis, growth", r.growth})
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
	guests
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

// visitors returns n, see [guests].
func (p *space) visitors(n int, owned bool) []visitor {
	all := p.guests.visitors(n, owned)
	for i := range all {
		all[i].key = p.raw(all[i].id)
	}
	return all
}

// create makes their sessions, by the store's own Create.
func (p *space) create(all []visitor, data []byte) error {
	create := callOf(p.quick, "create", data)
	return each(all, func(v *visitor) error { return create(ctx, v) })
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
