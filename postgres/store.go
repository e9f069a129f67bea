package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/background"
	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	Table  string // the table's name, letters, digits and _, 57 bytes at most; "" is sessions
	Schema string // the schema that the table is in, spelt likewise, 63 bytes at most; "" leaves it to the search path

	// Migrate has New call [Store.Migrate], for a minute at most.
	Migrate bool

	// Unlogged has Migrate make a table that is not written to the log: a crash of
	// the server empties it, all sessions are lost (seen: 50 of 50), and a standby
	// has none.
	Unlogged bool

	// DurableTouch has Touch wait for the disk, as the other writes do. By default
	// a crash of the server may undo the touches of its last moments.
	DurableTouch bool

	// Timeout is the longest that a verb takes; Count has 30 times as long, and what
	// works in pages or batches has it for each, and for the first that is late a
	// second time. 0 is 2 seconds, negative is no limit but the context.
	Timeout time.Duration

	// MaxData is how many bytes of data one session may have, before ErrTooLarge;
	// 0 or less is what the server takes, a little under 1 GiB.
	MaxData int

	// SweepEvery is the time between two runs of the background sweeper, each time
	// 0.5 to 1.5 times of it by chance; 0 is 5 minutes, negative is no sweeper.
	SweepEvery time.Duration

	// OnError is told what went wrong in the background, by one goroutine, for which
	// Close waits: it must not call Close. nil tells nobody.
	OnError func(error)
}

// maxData leaves room for the rest of a message and of a row, which may have 1 GiB.
func (o *Options) maxData() int {
	const most = 1<<30 - 4096
	if o.MaxData <= 0 {
		return most
	}
	return min(o.MaxData, most)
}

// Store keeps sessions in a table. It is safe for use by many goroutines.
type Store struct {
	pool  *pgxpool.Pool
	opts  Options
	names names
	row   layout
	calls call.Caller
	once  sync.Once // of Close
	sweep background.Sweeper
	owned bool // the pool is ours to close
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Sweeper      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
)

// New returns a store that uses the caller's pool and never closes it. A nil opts
// is the default. It asks nothing of the server unless Options.Migrate is set; a
// missing table is an error of the first call, and of [Store.Ping].
//
// Close the store, before the pool, to end its background sweeper.
func New(pool *pgxpool.Pool, opts *Options) (*Store, error) {
	s := &Store{pool: pool}
	if opts != nil {
		s.opts = *opts
	}
	s.calls = call.Caller{Name: "postgres", Timeout: s.opts.Timeout, Told: told}
	var err error
	if s.names, err = checkNames(s.opts.Schema, s.opts.Table); err != nil {
		return nil, s.fail("new", err)
	}
	s.row = own.in(s.names)
	if s.opts.Migrate {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Migrate(ctx); err != nil {
			return nil, err
		}
	}
	s.sweep.Start(s.opts.SweepEvery, s.sweepInBackground, s.opts.OnError)
	return s, nil
}

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := s.check(store.CheckLoad(ctx, id)); err != nil {
		return store.Entry{}, s.fail("load", err)
	}
	var e store.Entry
	err := s.run(ctx, reads, func(ctx context.Context, c *pgx.Conn, _ bool) (err error) {
		e, err = s.row.scan(c.QueryRow(ctx, s.row.load, id))
		return err
	})
	return e, s.fail("load", err)
}

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := s.check(store.CheckCreate(ctx, id, rec, ttl, s.opts.maxData())); err != nil {
		return 0, s.fail("create", err)
	}
	rev := s.row.revise(rec)
	args := s.row.createArgs(id, rec, ttl, rev)
	err := s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, unsure bool) error {
		for range tries {
			tag, err := c.Exec(ctx, s.row.create, args...)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
			found, err := s.revision(ctx, c, id)
			if again, err := call.Refused(found, err, rev, 0, unsure); !again {
				return err
			}
		}
		return errBarred
	})
	if err != nil {
		return 0, s.fail("create", err)
	}
	return rev, nil
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := s.check(store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.maxData())); err != nil {
		return 0, s.fail("update", err)
	}
	rev := s.row.revise(rec)
	args := s.row.updateArgs(id, rec, ttl, rev, base)
	err := s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, unsure bool) error {
		for range tries {
			tag, err := c.Exec(ctx, s.row.update, args...)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
			found, err := s.revision(ctx, c, id)
			if again, err := call.Refused(found, err, rev, base, unsure); !again {
				return err
			}
		}
		return errBarred
	})
	if err != nil {
		return 0, s.fail("update", err)
	}
	return rev, nil
}

// Touch implements [store.Store]. Unless Options.DurableTouch is set it does not
// wait for the disk.
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := s.check(store.CheckTouch(ctx, id, ttl)); err != nil {
		return s.fail("touch", err)
	}
	sql := s.row.touch
	if s.opts.DurableTouch {
		sql = s.row.keep
	}
	args := s.row.touchArgs(id, ttl)
	return s.fail("touch", s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		for range tries {
			tag, err := c.Exec(ctx, sql, args...)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
			if _, err := s.revision(ctx, c, id); err != nil {
				return err
			}
			// It was created in between.
		}
		return errBarred
	}))
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := s.check(store.CheckDelete(ctx, id)); err != nil {
		return s.fail("delete", err)
	}
	return s.fail("delete", s.run(ctx, writes, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		_, err := c.Exec(ctx, s.row.delete, id)
		return err
	}))
}

// tries is how often a write that changed nothing, though nothing is in its way, is
// made again: a session may have come or gone in between.
const tries = 10

// revision returns the revision of what is live under id, for a write that changed
// nothing.
func (s *Store) revision(ctx context.Context, c *pgx.Conn, id string) (store.Revision, error) {
	var v int64
	switch err := c.QueryRow(ctx, s.row.revision, id).Scan(&v); {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, store.ErrNotFound
	case err != nil:
		return 0, call.Question(err)
	case v == 0:
		return 0, store.ErrCorrupt
	}
	return store.Revision(v), nil
}

// Ping implements [store.Pinger]. It asks for the table, not only for the server.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("ping", err)
	}
	return s.fail("ping", s.run(ctx, reads, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		_, err := c.Exec(ctx, s.row.ping)
		return err
	}))
}

// Close ends the background sweeper, and waits for it. Afterwards every call returns
// [store.ErrClosed]. The pool stays open, unless the store is from [Opener]: then Close
// waits for the calls under way, and for pgx to end the connections, which can take
// 15 seconds where the server does not answer.
func (s *Store) Close() error {
	s.calls.Close()
	s.once.Do(func() { // a second caller waits for the first
		s.sweep.End()
		if s.owned {
			s.pool.Close()
		}
	})
	return nil
}
