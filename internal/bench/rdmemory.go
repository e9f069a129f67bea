package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

func (r *rd) memoryRows() []row {
	var rows []row
	for _, bytes := range []int{512, 8 << 10} {
		rows = append(rows, row{fmt.Sprintf("redis, bytes in memory, %d B", bytes), func(int) ([]line, error) {
			return r.bytesInMemory(bytes)
		}})
	}
	return rows
}

// bytesInMemory tells what the server keeps for a session, and for its data alone, kept
// by hand.
func (r *rd) bytesInMemory(bytes int) ([]line, error) {
	p, err := r.space("stored")
	if err != nil {
		return nil, err
	}
	defer p.close()
	// The allocator rounds up by a quarter at most; 512 B are for what is beside the data.
	n := min(r.sizes.stored, r.sizes.most/(bytes+bytes/4+512))
	data := noise(bytes)
	hand, err := r.stored(p, n, 0, func(all []visitor) error { return p.keep(all, data) })
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, owners := range []struct {
		what     string
		sessions int // of each, or 0 where there are none
	}{
		{"nobody's", 0},
		{"each with an owner of its own", 1},
		{"5 to an owner", 5},
	} {
		ours, err := r.stored(p, n, owners.sessions, func(all []visitor) error { return p.create(all, data) })
		if err != nil {
			return nil, err
		}
		least := bytes + 43
		if owners.sessions > 0 {
			least += len(owner(0))
		}
		lines = append(lines, line{
			what:  fmt.Sprintf("redis, in memory per session of %d B, %s, the limit by hand", bytes, owners.what),
			ours:  fmt.Sprintf("%d B", ours),
			limit: fmt.Sprintf("%d B", hand),
			ratio: fmt.Sprintf("%.2f", float64(ours)/float64(hand)),
			noise: fmt.Sprintf("%d sessions, each of %d B with id and owner; every key has a prefix of %d B", n, least, len(p.prefix)),
		})
	}
	return lines, nil
}

// stored returns how many bytes the server has more for each of n sessions, of which so
// many belong to an owner. Afterwards they are gone.
func (r *rd) stored(p *space, n, owned int, fill func(all []visitor) error) (int, error) {
	before, err := r.settled()
	if err != nil {
		return 0, err
	}
	all := p.visitors(n, false)
	for i := range all {
		if owned > 0 {
			all[i].owner = owner(i / owned)
		}
	}
	if err := fill(all); err != nil {
		return 0, err
	}
	after, err := r.settled()
	if err != nil {
		return 0, err
	}
	return (after - before) / n, removeKeys(ctx, p.client, p.prefix)
}

// settled returns how many bytes the server uses, without those of its connections, once
// they stay the same: what was unlinked is freed beside the calls, and so are tables that
// have become too small or too large.
func (r *rd) settled() (int, error) {
	const same = 64 << 10
	at, since := 0, time.Now()
	for end := since.Add(time.Minute + r.sizes.still); ; time.Sleep(r.sizes.still / 10) {
		info, err := r.server.client.Info(ctx, "memory").Result()
		if err != nil {
			return 0, err
		}
		used, err := strconv.Atoi(field(info, "used_memory"))
		if err != nil {
			return 0, err
		}
		clients, _ := strconv.Atoi(field(info, "mem_clients_normal"))
		used -= clients
		switch now := time.Now(); {
		case max(used-at, at-used) > same:
			at, since = used, now
		case now.Sub(since) >= r.sizes.still:
			return used, nil
		}
		if time.Now().After(end) {
			return 0, errors.New("the server's memory does not stay the same: somebody else uses it")
		}
	}
}
