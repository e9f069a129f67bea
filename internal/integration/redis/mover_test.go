package redis_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
)

// mover moves slots of a cluster from one master to another, as redis-cli does.
type mover struct {
	t        *testing.T
	x        *space
	password string
	from, to member
	clients  map[string]*goredis.Client // of all masters, by their ports
}

// newMover moves from the master that has the most sessions.
func newMover(t *testing.T, sv *server.Server, x *space) *mover {
	t.Helper()
	m := &mover{t: t, x: x, clients: map[string]*goredis.Client{}}
	port := x.most(t)
	m.password = direct(t, sv, port).Options().Password
	for _, other := range members(t, direct(t, sv, port)) {
		switch {
		case other.master != "-":
			continue
		case other.port == port:
			m.from = other
		default:
			m.to = other
		}
		m.clients[other.port] = direct(t, sv, other.port)
	}
	return m
}

func (m *mover) do(port string, args ...any) any {
	m.t.Helper()
	out, err := m.clients[port].Do(m.t.Context(), args...).Result()
	if err != nil {
		m.t.Fatalf("%v: %v", args, err)
	}
	return out
}

// slots are those of the master in which there are keys of the prefix, those with the most
// first.
func (m *mover) slots() []int {
	m.t.Helper()
	keys := map[int]int{}
	err := m.x.keys(m.t.Context(), "{???}*", func(node *goredis.Client, key string) {
		if portOf(node) == m.from.port {
			keys[int(m.do(m.from.port, "cluster", "keyslot", key).(int64))]++
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
	var out []int
	for slot := range keys {
		out = append(out, slot)
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Or(keys[b]-keys[a], a-b) })
	return out
}

// begin has a slot be on its way.
func (m *mover) begin(slot int) {
	m.t.Helper()
	m.do(m.to.port, "cluster", "setslot", slot, "importing", m.from.id)
	m.do(m.from.port, "cluster", "setslot", slot, "migrating", m.to.id)
}

// keys are those of a slot that have not been moved.
func (m *mover) keys(slot int) (out []string) {
	m.t.Helper()
	for _, key := range m.do(m.from.port, "cluster", "getkeysinslot", slot, 100_000).([]any) {
		out = append(out, key.(string))
	}
	return out
}

// move moves keys. Of an index that is on both sides the one that comes stays.
func (m *mover) move(keys ...string) {
	m.t.Helper()
	for some := range slices.Chunk(keys, 10) {
		args := []any{"migrate", "127.0.0.1", m.to.port, "", 0, 10_000, "replace", "auth", m.password, "keys"}
		for _, key := range some {
			args = append(args, key)
		}
		m.do(m.from.port, args...)
	}
}

// end moves what is left of a slot, and tells everybody.
func (m *mover) end(slot int) {
	m.t.Helper()
	for keys := m.keys(slot); len(keys) > 0; keys = m.keys(slot) {
		m.move(keys...)
	}
	m.do(m.to.port, "cluster", "setslot", slot, "node", m.to.id)
	m.do(m.from.port, "cluster", "setslot", slot, "node", m.to.id)
	for port := range m.clients {
		if port != m.from.port && port != m.to.port {
			m.do(port, "cluster", "setslot", slot, "node", m.to.id)
		}
	}
}

// half has slots stopped on their way: of some the index has been moved and half of the
// sessions, of the others only half of the sessions.
func (m *mover) half(slots []int) {
	m.t.Helper()
	for i, slot := range slots {
		m.begin(slot)
		var indexes, sessions []string
		for _, key := range m.keys(slot) {
			switch {
			case strings.Contains(key, "}o:"):
				indexes = append(indexes, key)
			case strings.Contains(key, "}s:"):
				sessions = append(sessions, key)
			}
		}
		if i%2 == 0 {
			m.move(indexes...)
		}
		m.move(sessions[:len(sessions)/2]...)
	}
}
