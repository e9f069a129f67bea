package mongo

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/sojourn-go/sojourn/internal/background"
	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	// Timeout is the longest that a verb takes, the search for a primary included;
	// Count has 30 times as long, and what works in batches has it for each. 0 is
	// 2 seconds, negative is no limit but the context.
	Timeout time.Duration

	// MaxData is how many bytes of data one session may have, before ErrTooLarge; 0 or
	// less is what the server takes, a little under 16 MiB.
	MaxData int

	// SweepEvery is the time between two runs of the background sweeper, each time 0.5
	// to 1.5 times of it by chance; 0 is 5 minutes, negative is no sweeper. Where the
	// server's TTL monitor is on and [Store.Migrate] was called there is little left
	// for it to do.
	SweepEvery time.Duration

	// OnError is told what went wrong in the background, by one goroutine, for which
	// Close waits: it must not call Close. nil tells nobody.
	OnError func(error)
}

// maxData leaves room for the rest of a document, which may have 16 MiB.
func (o *Options) maxData() int {
	const most = 16<<20 - 16<<10
	if o.MaxData <= 0 {
		return most
	}
	return min(o.MaxData, most)
}

// Store keeps sessions in a collection. It is safe for use by many goroutines.
type Store struct {
	docs  *mongo.Collection
	doc   layout
	opts  Options
	calls call.Caller
	once  sync.Once // of Close
	sweep background.Sweeper
	owned bool // the client is ours to disconnect
}

var (
	_ store.Store        = (*Store)(nil)
	_ store.Lister       = (*Store)(nil)
	_ store.OwnerDeleter = (*Store)(nil)
	_ store.Counter      = (*Store)(nil)
	_ store.Clearer      = (*Store)(nil)
	_ store.Sweeper      = (*Store)(nil)
	_ store.Pinger       = (*Store)(nil)
	_ io.Closer          = (*Store)(nil)
)

// New returns a store in the caller's collection, whose client it never disconnects. A nil
// opts is the default. It asks nothing of the server: see [Store.Migrate] for the indexes,
// and for what it checks. A collection is nothing but the store's.
//
// Whatever the collection was set to, the store reads from the primary, and a write has
// answered when a majority of the replica set has it on disk: on less a logout could be
// undone by a failover, and from a secondary it would not be seen at once.
//
// Close the store, before the client, to end its background sweeper.
func New(collection *mongo.Collection, opts *Options) (*Store, error) {
	if collection == nil {
		return nil, errors.Join(errors.New("mongo: no collection"), store.ErrInvalid)
	}
	s := &Store{doc: own}
	if opts != nil {
		s.opts = *opts
	}
	s.calls = call.Caller{Name: "mongo", Timeout: s.opts.Timeout, Told: told}
	journal, majority := true, writeconcern.Majority()
	majority.Journal = &journal
	s.docs = collection.Clone(options.Collection().
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Local()).SetWriteConcern(majority))
	s.sweep.Start(s.opts.SweepEvery, s.sweepInBackground, s.opts.OnError)
	return s, nil
}

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := s.check(store.CheckLoad(ctx, id)); err != nil {
		return store.Entry{}, s.fail("load", err)
	}
	var e store.Entry
	err := s.run(ctx, reads, func(ctx context.Context, _ bool) (err error) {
		e, err = s.find(ctx, id, true)
		return err
	})
	return e, s.fail("load", err)
}

func (s *Store) byID(id string) bson.D { return bson.D{{Key: s.doc.id, Value: id}} }

// byDeadline is what ends after, or until, a moment.
func (s *Store) byDeadline(operator string, at bson.DateTime) bson.E {
	return bson.E{Key: s.doc.deadline, Value: bson.D{{Key: operator, Value: at}}}
}

// find reads a session. That it has expired is seen here, by the server's clock, so that
// the filter is nothing but the id.
func (s *Store) find(ctx context.Context, id string, data bool) (e store.Entry, err error) {
	unread := store.ErrNotFound
	err = s.each(ctx, s.byID(id), nil, options.Aggregate(), data, func(_ string, found store.Entry, err error) bool {
		e, unread = found, err
		return false
	})
	if err == nil {
		err = unread
	}
	return e, err
}

// tries is how often a write that changed nothing, though nothing is in its way, is made
// again: a session may have come or gone in between.
const tries = 10

// Create implements [store.Store]: an upsert that leaves a session which lives as it is.
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := s.check(store.CheckCreate(ctx, id, rec, ttl, s.opts.maxData())); err != nil {
		return 0, s.fail("create", err)
	}
	rev := store.NewRevision()
	filter, pipeline := s.byID(id), s.doc.created(id, rec, ttl, rev)
	err := s.run(ctx, writes, func(ctx context.Context, unsure bool) error {
		for range tries {
			r, err := s.docs.UpdateOne(ctx, filter, pipeline, options.UpdateOne().SetUpsert(true))
			if mongo.IsDuplicateKeyError(err) {
				continue // somebody's was there between the server's look and its insert
			}
			if err != nil || r.UpsertedCount+r.ModifiedCount > 0 {
				return err
			}
			found, err := s.revision(ctx, id)
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
	rev := store.NewRevision()
	filter, pipeline := s.byID(id), s.doc.updated(rec, ttl, rev, base)
	err := s.run(ctx, writes, func(ctx context.Context, unsure bool) error {
		for range tries {
			r, err := s.docs.UpdateOne(ctx, filter, pipeline)
			if err != nil || r.ModifiedCount > 0 { // a new revision is always a change
				return err
			}
			found, err := s.revision(ctx, id)
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

// Touch implements [store.Store].
func (s *Store) Touch(ctx context.Context, id string, ttl time.Duration) error {
	if err := s.check(store.CheckTouch(ctx, id, ttl)); err != nil {
		return s.fail("touch", err)
	}
	filter, pipeline := s.byID(id), s.doc.touched(ttl)
	return s.fail("touch", s.run(ctx, writes, func(ctx context.Context, _ bool) error {
		for range tries {
			r, err := s.docs.UpdateOne(ctx, filter, pipeline)
			if err != nil || r.ModifiedCount > 0 {
				return err
			}
			if _, err := s.revision(ctx, id); err != nil {
				return err
			}
			// Its deadline is the same to the millisecond, which is over by now; or it
			// was created in between.
		}
		return errBarred
	}))
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := s.check(store.CheckDelete(ctx, id)); err != nil {
		return s.fail("delete", err)
	}
	return s.fail("delete", s.run(ctx, writes, func(ctx context.Context, _ bool) error {
		_, err := s.docs.DeleteOne(ctx, s.byID(id))
		return err
	}))
}

// revision returns the revision of what is live under id, for a write that changed
// nothing.
func (s *Store) revision(ctx context.Context, id string) (store.Revision, error) {
	e, err := s.find(ctx, id, false)
	return e.Revision, call.Question(err)
}

// Ping implements [store.Pinger]. A server that is not the primary, or too old, is an error,
// and so is a user who may not read the collection.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("ping", err)
	}
	if _, err := s.clock(ctx, reads); err != nil {
		return s.fail("ping", err)
	}
	return s.fail("ping", s.run(ctx, reads, func(ctx context.Context, _ bool) error {
		_, err := s.find(ctx, "sojourn", false)
		if err == store.ErrNotFound || err == store.ErrCorrupt {
			return nil
		}
		return err
	}))
}

// Close ends the background sweeper, and waits for it. Afterwards every call returns
// [store.ErrClosed]. The client stays connected, unless the store is from [Opener].
func (s *Store) Close() error {
	s.calls.Close()
	var err error
	s.once.Do(func() { // a second caller waits for the first
		s.sweep.End()
		if s.owned {
			ctx, cancel := context.WithTimeout(context.Background(), min(s.calls.Limit(), time.Minute))
			defer cancel()
			err = s.docs.Database().Client().Disconnect(ctx)
		}
	})
	return s.fail("close", err)
}
