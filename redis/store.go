package redis

import (
	"context"
	"regexp"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	// Prefix begins every key: 1 to 64 letters, digits, _ and -; "" is sojourn.
	Prefix string

	// Slots is how many tags the keys have, 1 to 4096, not the slots of a cluster, over which
	// they spread them: 0 is 1 on a single server and 256 on a cluster, or what the sessions
	// have that are there. It is the same for all processes and for the life of the data;
	// [New] finds out if it is another one.
	Slots int

	// Replicas has Delete, DeleteOwner and Clear wait until so many replicas of the
	// server have what they did. If fewer have it in time that is [store.ErrUnknown], and
	// a failover may undo it. See the package doc for what that is worth.
	Replicas int

	// Evictable accepts a server that may drop live sessions when its memory is full
	// (maxmemory-policy allkeys-…).
	Evictable bool

	// AutoPipeliner, one of New's client, sends what many goroutines do at once in few
	// round trips: for throughput, at some cost for a single call.
	AutoPipeliner *redis.AutoPipeliner

	// Timeout is the longest that a verb takes; what works in pages has it for each. 0 is
	// 2 seconds, negative is no limit but the context and the client's own.
	Timeout time.Duration

	// MaxData is how many bytes of data one session may have, before ErrTooLarge; 0 or
	// less is what the server takes, a little under 512 MiB.
	MaxData int

	// OnError is told, by New, what about the server may hurt later: each is a
	// *[Warning]. nil tells nobody.
	OnError func(error)
}

func (o *Options) prefix() string {
	if o.Prefix == "" {
		return "sojourn"
	}
	return o.Prefix
}

func (o *Options) maxData() int {
	const most = 512<<20 - 4096
	if o.MaxData <= 0 {
		return most
	}
	return min(o.MaxData, most)
}

// Store keeps sessions in Redis or Valkey. It is safe for use by many goroutines.
type Store struct {
	client *client
	opts   Options
	prefix string
	tags   []string // as many as there are slots
	row    layout
	calls  call.Caller
	once   sync.Once    // of Close
	closes func() error // closes the client, where that is ours
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
)

// New returns a store that uses the caller's client and never closes it. A nil opts is
// the default.
//
// The client is a *redis.Client, also one of Sentinel, or a *redis.ClusterClient, and has
// ContextTimeoutEnabled set: without it a call would wait for seconds after its deadline
// has passed. With DialerRetries: 1 a server that is not there is an error at once, and
// not after the five tries that are go-redis's default.
//
// New asks the server, for at most Options.Timeout, whether it can keep sessions (see
// [Store.Check]), and whether those that are there have as many slots.
func New(client redis.UniversalClient, opts *Options) (*Store, error) {
	return newStore(context.Background(), client, opts)
}

func newStore(ctx context.Context, client redis.UniversalClient, opts *Options) (*Store, error) {
	s := &Store{row: own, closes: func() error { return nil }}
	if opts != nil {
		s.opts = *opts
	}
	s.calls = call.Caller{Name: "redis", Timeout: s.opts.Timeout, Told: told}
	if err := s.open(ctx, client); err != nil {
		if w, ok := err.(*Warning); ok {
			return nil, w // which begins with the package's name itself
		}
		return nil, s.calls.Fail("new", err)
	}
	return s, nil
}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (s *Store) open(ctx context.Context, client redis.UniversalClient) (err error) {
	if s.prefix = s.opts.prefix(); !prefixes.MatchString(s.prefix) {
		return invalid("a prefix is 1 to 64 letters, digits, _ and -")
	}
	if s.opts.Slots < 0 || s.opts.Slots > maxSlots {
		return invalid("Options.Slots is %d, and there are 1 to %d", s.opts.Slots, maxSlots)
	}
	if s.opts.Replicas < 0 {
		return invalid("Options.Replicas is %d", s.opts.Replicas)
	}
	if s.client, err = newClient(client, s.opts.AutoPipeliner); err != nil {
		return err
	}
	slots := s.opts.Slots
	if slots == 0 {
		slots = 1
		if s.client.cluster != nil {
			slots = 256
		}
	}
	warnings, err := s.look(ctx)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		if w.fatal(&s.opts) {
			return w
		}
	}
	for _, w := range warnings {
		if s.opts.OnError != nil {
			s.opts.OnError(w)
		}
	}
	return s.agree(ctx, slots)
}

// place is where a session is.
type place struct {
	key, tag string
}

func (s *Store) place(id string) place {
	t := s.tags[tagOf(id, len(s.tags))]
	return place{s.row.session(s.prefix, t, id), t}
}

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := s.calls.Check(store.CheckLoad(ctx, id)); err != nil {
		return store.Entry{}, s.calls.Fail("load", err)
	}
	key := s.place(id).key
	var e store.Entry
	err := s.run(ctx, call.Reads, func(ctx context.Context, _ bool) (err error) {
		e, err = s.load(ctx, key)
		return err
	})
	return e, s.calls.Fail("load", err)
}

// load has GET and PTTL written together, to one server: in a cluster through the
// server's own client, since a pipeline of the cluster's costs twice as much.
func (s *Store) load(ctx context.Context, key string) (store.Entry, error) {
	if s.client.auto != nil {
		return s.loadByScript(ctx, key)
	}
	node, err := s.client.node(ctx, key)
	if err != nil {
		return store.Entry{}, err
	}
	value, left := newGet(ctx, "get", key), newNumber(ctx, "pttl", key)
	pipe := node.Pipeline()
	_ = pipe.Process(ctx, value)
	_ = pipe.Process(ctx, left)
	exec(ctx, pipe)
	if s.client.redirected(value.Err()) || s.client.redirected(left.Err()) {
		return s.loadByScript(ctx, key) // which goes to a master wherever the client's reads go
	}
	if err := value.Err(); err != nil {
		if nothing(err) {
			err = store.ErrNotFound
		}
		return store.Entry{}, err
	}
	if err := left.Err(); err != nil {
		return store.Entry{}, err
	}
	b, _ := value.Bytes()
	return s.row.entry(b, left.Val())
}

// loadByScript is load for a client that sends each command by itself.
func (s *Store) loadByScript(ctx context.Context, key string) (store.Entry, error) {
	out, err := s.client.eval(ctx, s.row.load, []string{key})
	if err != nil {
		return store.Entry{}, err
	}
	both, ok := out.([]any)
	if !ok || len(both) != 2 {
		return store.Entry{}, errStrange
	}
	value, ok := both[0].(string)
	left, _ := both[1].(int64)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	return s.row.entry([]byte(value), left)
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := s.calls.Check(store.CheckCreate(ctx, id, rec, ttl, s.opts.maxData())); err != nil {
		return 0, s.calls.Fail("create", err)
	}
	at, v := s.place(id), s.row.revise(rec)
	value, life := s.row.encode(rec, v), lifetime(ttl)
	make := func(ctx context.Context) (store.Revision, error) {
		return s.createPlain(ctx, at.key, value, life)
	}
	if rec.Owner != "" {
		keys := []string{at.key, s.row.index(s.prefix, at.tag, rec.Owner)}
		make = func(ctx context.Context) (store.Revision, error) {
			return s.found(s.client.eval(ctx, s.row.create, keys, value, life, id))
		}
	}
	err := s.run(ctx, call.Writes, func(ctx context.Context, unsure bool) error {
		switch there, err := make(ctx); {
		case err == nil && (there == 0 || there == v):
			return nil // now, or by our first attempt
		case err == nil && unsure, call.Answered(err) && unsure:
			return store.ErrUnknown // somebody built on it, or was quicker
		case err == nil:
			return store.ErrExists
		default:
			return err
		}
	})
	if err != nil {
		return 0, s.calls.Fail("create", err)
	}
	return v, nil
}

// createPlain makes a session that is nobody's, by one SET. If something is there already it
// asks what, and returns its revision.
func (s *Store) createPlain(ctx context.Context, key string, value []byte, life int64) (store.Revision, error) {
	for range tries {
		sent := &wire{b: value}
		err := s.client.process(ctx, newCommand(ctx, sent, "set", key, sent, "px", life, "nx"))
		if !nothing(err) {
			return 0, err
		}
		e, err := s.load(ctx, key)
		if err != store.ErrNotFound {
			return e.Revision, call.Question(err)
		}
		// It ended in between.
	}
	return 0, errRestless
}

// found reads what the script answered that creates: 0 for what was made.
func (s *Store) found(out any, err error) (store.Revision, error) {
	if err != nil || out == int64(1) {
		return 0, err
	}
	head, _ := out.(string) // -1 is no more readable than nothing
	_, v, err := s.row.decode([]byte(head))
	return v, err
}

// tries is how often a write that changed nothing, though nothing is in its way, is made
// again: a session may have come and gone in between.
const tries = 10

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := s.calls.Check(store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.maxData())); err != nil {
		return 0, s.calls.Fail("update", err)
	}
	at, v := s.place(id), s.row.revise(rec)
	keys := []string{at.key}
	if rec.Owner != "" {
		keys = append(keys, s.row.index(s.prefix, at.tag, rec.Owner))
	}
	args := []any{s.row.encode(rec, v), lifetime(ttl), bits(base), id, s.row.index(s.prefix, at.tag, ""), rec.Owner}
	err := s.run(ctx, call.Writes, func(ctx context.Context, unsure bool) error {
		out, err := s.client.eval(ctx, s.row.update, keys, args...)
		switch {
		case err != nil:
			return err
		case out == int64(1), out == string(bits(v)):
			return nil // now, or by our first attempt
		case unsure:
			return store.ErrUnknown // somebody built on it, or was quicker
		case out == int64(0):
			return store.ErrNotFound
		case out == int64(-1):
			return store.ErrCorrupt
		default:
			return store.ErrConflict
		}
	})
	if err != nil {
		return 0, s.calls.Fail("update", err)
	}
	return v, nil
}

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := s.calls.Check(store.CheckTouch(ctx, id, ttl)); err != nil {
		return s.calls.Fail("touch", err)
	}
	at := s.place(id)
	keys, args := []string{at.key}, []any{lifetime(ttl), id, s.row.index(s.prefix, at.tag, "")}
	return s.calls.Fail("touch", s.run(ctx, call.Writes, func(ctx context.Context, _ bool) error {
		out, err := s.client.eval(ctx, s.row.touch, keys, args...)
		switch {
		case err != nil:
			return err
		case out == int64(0):
			return store.ErrNotFound
		case out == int64(-1):
			return store.ErrCorrupt
		}
		return nil
	}))
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := s.calls.Check(store.CheckDelete(ctx, id)); err != nil {
		return s.calls.Fail("delete", err)
	}
	if s.opts.Replicas > 0 {
		_, err := s.remove(ctx, []string{id}, "", true)
		return s.calls.Fail("delete", err)
	}
	at := s.place(id)
	keys, args := []string{at.key}, s.removal(at, id, "")
	return s.calls.Fail("delete", s.run(ctx, call.Writes, func(ctx context.Context, _ bool) error {
		_, err := s.client.eval(ctx, s.row.remove, keys, args...)
		return err
	}))
}

// Ping implements [store.Pinger]. In a cluster it asks every master.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.calls.Check(store.CheckContext(ctx)); err != nil {
		return s.calls.Fail("ping", err)
	}
	return s.calls.Fail("ping", s.run(ctx, call.Reads, func(ctx context.Context, _ bool) error {
		nodes, err := s.client.masters(ctx)
		for _, n := range nodes {
			if err == nil {
				err = n.Process(ctx, newGet(ctx, "ping"))
			}
		}
		return err
	}))
}

// Close has every later call return [store.ErrClosed]. It waits for the calls that an
// AutoPipeliner is at. The client stays open, unless the store is from [Opener].
func (s *Store) Close() (err error) {
	s.calls.Close()
	s.once.Do(func() { // a second caller waits for the first
		s.client.close()
		err = s.closes()
	})
	return err
}
