package redis

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Finding says what a [Warning] is about.
type Finding string

// What about a server may hurt.
const (
	EvictsAny      Finding = "evicts any key"          // maxmemory-policy allkeys-…: New refuses it unless Options.Evictable
	EvictsVolatile Finding = "evicts keys with an end" // maxmemory-policy volatile-…: sessions are just that
	IsReplica      Finding = "is a replica"            // every write fails
	ReadsReplicas  Finding = "client reads replicas"   // the client's other users may read what is old
	TooOld         Finding = "too old"                 // before Redis 7.0: New refuses it
	WrongMode      Finding = "wrong mode"              // a Sentinel, or one server of a cluster: New refuses it
	Unseen         Finding = "cannot be looked at"     // INFO is not allowed
	OtherSlots     Finding = "has other slots"         // others use the prefix with another number of Options.Slots
)

// Warning is what about a server may hurt, found by [New] or [Store.Check]. It is an
// error, for Options.OnError.
type Warning struct {
	Finding Finding
	Server  string // its address, as the client has it
	Advice  string // what it means and what to do, in one sentence
}

func (w *Warning) Error() string {
	return "redis: the server at " + w.Server + " " + w.Advice
}

// fatal reports whether New refuses the server.
func (w *Warning) fatal(o *Options) bool {
	switch w.Finding {
	case EvictsAny:
		return !o.Evictable
	case TooOld, WrongMode:
		return true
	}
	return false
}

// Check looks at every master as [New] does, and returns what it finds: an eviction policy
// can be changed later, and a master can become a replica. It has Options.Timeout.
func (s *Store) Check(ctx context.Context) ([]*Warning, error) {
	if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
		return nil, s.calls.Fail("check", err)
	}
	out, err := s.look(ctx)
	if err != nil {
		return nil, s.calls.Fail("check", err)
	}
	// A server that has lost all it had may have been found by one who wants another number.
	found, err := s.slots(ctx, len(s.tags))
	if err == nil && found != strconv.Itoa(len(s.tags)) {
		var node *redis.Client
		if node, err = s.client.node(ctx, s.slotsKey()); err == nil {
			out = append(out, &Warning{OtherSlots, node.Options().Addr, fmt.Sprintf("says that sessions have %s slots, and this store has %d, so that neither sees the other's: see to it that all have the same Options.Slots, and start again", found, len(s.tags))})
		}
	}
	return out, s.calls.Fail("check", err)
}

func (s *Store) look(ctx context.Context) (out []*Warning, err error) {
	err = s.run(ctx, call.Reads, func(ctx context.Context, _ bool) error {
		out = nil
		nodes, err := s.client.masters(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			cmd := newGet(ctx, "info")
			if err := n.Process(ctx, cmd); redis.IsPermissionError(err) {
				out = append(out, &Warning{Unseen, n.Options().Addr, "does not let its user call INFO, so that nobody can tell whether it drops live sessions when its memory is full"})
				continue
			} else if err != nil {
				return err
			}
			out = append(out, findings(n.Options().Addr, cmd.Val(), s.client.cluster != nil)...)
		}
		if c := s.client.cluster; c != nil && c.Options().ReadOnly && len(nodes) > 0 {
			out = append(out, &Warning{ReadsReplicas, nodes[0].Options().Addr, "is read through its replicas by this client (ReadOnly, RouteByLatency or RouteRandomly), which this package does not do since they may be behind: whatever else the program reads of sessions should not either"})
		}
		return nil
	})
	return out, err
}

// findings reads what INFO told.
func findings(server, info string, cluster bool) (out []*Warning) {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	found := func(f Finding, format string, args ...any) {
		out = append(out, &Warning{f, server, fmt.Sprintf(format, args...)})
	}
	version := fields["redis_version"] // Valkey says here which Redis it is compatible with
	if major, _, _ := strings.Cut(version, "."); version != "" {
		if n, err := strconv.Atoi(major); err == nil && n < 7 {
			found(TooOld, "is Redis %s, and this package needs Redis 7.0, Valkey 7.2 or newer", version)
		}
	}
	switch mode := cmp.Or(fields["redis_mode"], fields["server_mode"]); { // Valkey's name for it
	case mode == "sentinel":
		found(WrongMode, "is a Sentinel, which keeps no data: use redis.NewFailoverClient, or a redis+sentinel:// URL")
	case mode == "cluster" && !cluster:
		found(WrongMode, "is one of a cluster, which has a part of the keys: use redis.NewClusterClient, or a redis+cluster:// URL")
	}
	if fields["role"] == "slave" {
		found(IsReplica, "is a replica, to which nothing can be written: connect to its master, which a client of Sentinel or of a cluster finds by itself")
	}
	dropped := ""
	if n := fields["evicted_keys"]; n != "" && n != "0" {
		dropped = " (it has dropped " + n + " keys since it started)"
	}
	switch policy := fields["maxmemory_policy"]; {
	case strings.HasPrefix(policy, "allkeys-"):
		found(EvictsAny, "drops whatever it likes when its memory is full, live sessions too%s: set maxmemory-policy to noeviction, or accept it by Options.Evictable", dropped)
	case strings.HasPrefix(policy, "volatile-"):
		found(EvictsVolatile, "drops keys that have an end when its memory is full (%s), which live sessions are before anything else%s: set maxmemory-policy to noeviction", policy, dropped)
	}
	return out
}

// agree sees to it that all who use the prefix have the same number of slots: another one
// would look for the sessions under other keys. Unless Options.Slots says otherwise it is
// what is there already.
func (s *Store) agree(ctx context.Context, slots int) error {
	key := s.slotsKey()
	found, err := s.slots(ctx, slots)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(found)
	switch {
	case err != nil || n < 1 || n > maxSlots:
		return invalid("the key %s holds what is not a number of slots: is the prefix somebody else's?", key)
	case s.opts.Slots > 0 && n != s.opts.Slots:
		return invalid("Options.Slots is %d, and the sessions that are there have %d: it cannot change while there are any (afterwards delete the key %s)", s.opts.Slots, n, key)
	}
	for i := range n {
		s.tags = append(s.tags, tag(i))
	}
	return nil
}

func (s *Store) slotsKey() string { return s.prefix + "{slots}" }

// slots returns the number of slots that is there, and writes down the one it is given where
// there is none.
func (s *Store) slots(ctx context.Context, slots int) (found string, err error) {
	key := s.slotsKey()
	err = s.run(ctx, call.Reads, func(ctx context.Context, _ bool) error {
		cmd := newGet(ctx, "get", key) // a server that is full still answers that
		err := s.client.process(ctx, cmd)
		if nothing(err) {
			cmd = newGet(ctx, "set", key, slots, "nx", "get")
			if err = s.client.process(ctx, cmd); nothing(err) {
				found = strconv.Itoa(slots)
				return nil
			}
		}
		if err == nil {
			found = cmd.Val()
		}
		return err
	})
	return found, err
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{store.ErrInvalid}, args...)...)
}
