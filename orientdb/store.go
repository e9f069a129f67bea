package orientdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/internal/background"
	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Database says where sessions are kept, and who asks.
type Database struct {
	// URL is that of the server's HTTP interface: a scheme, a host and a port, and a
	// path if a proxy has put it under one, like "http://127.0.0.1:2480".
	URL string

	// Name is that of the database: letters, digits, _ and -.
	Name string

	// User is one of the database or of the server, and may read and write its records;
	// for [Store.Migrate] it may change the schema.
	User, Password string

	// Client sends the requests; nil is one of the store's own, with up to 100
	// connections, which it gives up after they were idle for 10 seconds: the server
	// does after 15. Another one should do likewise (the default keeps two). The store
	// never closes it, and neither follows redirects with it nor uses its cookies.
	Client *http.Client
}

// Options are the settings of a [Store]. The zero value is the default.
type Options struct {
	// Class is the name of the class: a letter, and letters, digits and _, 64 at most.
	// The server takes "Sessions" and "sessions" for one. "" is "sessions".
	Class string

	// CreateDatabase has [Store.Migrate] make the database, of the type plocal, if it is
	// missing, which wants a user of the server who may.
	CreateDatabase bool

	// Timeout is the longest that a verb takes; Count has 30 times as long, and so has what
	// Migrate makes, and what works in batches has it for each. 0 is 2 seconds, negative
	// is no limit but the context. Over half a minute, what DeleteOwner and Sweep return
	// may be too few.
	Timeout time.Duration

	// MaxData is how many bytes of data one session may have, before ErrTooLarge; 0 or
	// less is 16 MiB, and so is more. Over 700 KB the server writes a warning to its log
	// with each write.
	MaxData int

	// SweepEvery is the time between two runs of the background sweeper, each time 0.5
	// to 1.5 times of it by chance; 0 is 5 minutes, negative is no sweeper. The server
	// removes nothing by itself.
	SweepEvery time.Duration

	// OnError is told what went wrong in the background, by one goroutine, for which
	// Close waits: it must not call Close. nil tells nobody.
	OnError func(error)
}

// largest is the most data that a session may have.
const largest = 16 << 20

func (o *Options) maxData() int {
	if o.MaxData <= 0 {
		return largest
	}
	return min(o.MaxData, largest)
}

// Store keeps sessions in a class. It is safe for use by many goroutines.
type Store struct {
	doc      *layout
	names    names
	opts     Options
	client   *http.Client
	commands string                 // the URL of statements
	password []string               // the header that says it
	session  atomic.Pointer[string] // that the server has for us, see [Store.post]
	calls    call.Caller
	once     sync.Once // of Close
	sweep    background.Sweeper
	owned    *http.Transport // ours to close, or nil
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

// New returns a store in a database, whose client, if it is the caller's, it never closes. A
// nil opts is the default. It asks nothing of the server: see [Store.Migrate] for the
// class. What cannot be an address or a name is an error that wraps [store.ErrInvalid].
//
// Close the store to end its background sweeper.
func New(db *Database, opts *Options) (*Store, error) {
	s := &Store{}
	if opts != nil {
		s.opts = *opts
	}
	n, err := checkNames(db, s.opts.Class)
	if err != nil {
		return nil, fmt.Errorf("orientdb: %w", err)
	}
	s.names, s.doc = n, own(n.class)
	s.commands, s.password = n.url("command", "sql"), []string{basic(db.User, db.Password)}
	if db.Client != nil {
		theirs := *db.Client
		theirs.Jar = nil
		s.client = &theirs
	} else {
		s.owned = newTransport()
		s.client = &http.Client{Transport: s.owned}
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.calls = call.Caller{Name: "orientdb", Timeout: s.opts.Timeout, Told: told}
	s.sweep.Start(s.opts.SweepEvery, s.sweepInBackground, s.opts.OnError)
	return s, nil
}

// newTransport makes connections that the store gives up before the server does: the
// write that is sent meanwhile would be one whose reply was lost.
func newTransport() *http.Transport {
	return &http.Transport{ // with no Proxy: what the environment says of one is not meant for a database
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     connections,
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     10 * time.Second,
	}
}

// connections is how many the store's own client has at most. Each is a thread at the server.
const connections = 100

// Load implements [store.Store].
func (s *Store) Load(ctx context.Context, id string) (store.Entry, error) {
	if err := s.check(store.CheckLoad(ctx, id)); err != nil {
		return store.Entry{}, s.fail("load", err)
	}
	var e store.Entry
	err := s.run(ctx, reads, func(ctx context.Context, _ bool) (err error) {
		e, err = s.find(ctx, s.doc.load, id)
		return err
	})
	return e, s.fail("load", err)
}

// find reads a session.
func (s *Store) find(ctx context.Context, what statement, id string) (e store.Entry, err error) {
	found, err := s.ask(ctx, s.doc.key(what.with(), id).body())
	if err != nil {
		return store.Entry{}, err
	}
	if len(found) == 0 {
		return store.Entry{}, store.ErrNotFound
	}
	is, e, err := s.doc.decode(found[0])
	switch {
	case err == errBuried:
		return store.Entry{}, errBuried // since it was found, so that it is looked for again
	case is != id || len(found) > 1:
		return store.Entry{}, errStrange // whose answer is it?
	}
	return e, err
}

// tries is how often a write that changed nothing, though nothing is in its way, is made
// again: a session may have come or gone in between.
const tries = 10

// Create implements [store.Store]: an insert, which the unique index of the ids refuses
// where something is.
func (s *Store) Create(ctx context.Context, id string, rec store.Record, ttl time.Duration) (store.Revision, error) {
	if err := s.check(store.CheckCreate(ctx, id, rec, ttl, s.opts.maxData())); err != nil {
		return 0, s.fail("create", err)
	}
	rev := s.doc.revise(rec)
	request := s.doc.session(s.doc.key(s.doc.create.with(), id), rec, ttl, rev).body()
	err := s.run(ctx, writes, func(ctx context.Context, unsure bool) error {
		for range tries {
			made, err := s.ask(ctx, request)
			if err == nil && (len(made) != 1 || made[0].Rev != int64(rev)) {
				return errStrange // whose answer is it?
			}
			if !isDuplicate(err) {
				return s.why(ctx, id, err)
			}
			found, err := s.revision(ctx, id)
			if again, err := call.Refused(found, err, rev, 0, unsure); !again {
				return err
			}
			if err := s.free(ctx, id); err != nil { // of what has expired
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

// why is what was wrong with a create. Where the class is missing, the server says nothing
// of it to an insert.
func (s *Store) why(ctx context.Context, id string, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok && r.exception == "NullPointerException" {
		if _, said := s.find(ctx, s.doc.look, id); isMissing(said) {
			return said
		}
	}
	return err
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, id string, rec store.Record, ttl time.Duration, base store.Revision) (store.Revision, error) {
	if err := s.check(store.CheckUpdate(ctx, id, rec, ttl, base, s.opts.maxData())); err != nil {
		return 0, s.fail("update", err)
	}
	rev := s.doc.revise(rec)
	request := s.doc.base(s.doc.session(s.doc.key(s.doc.update.with(), id), rec, ttl, rev), base).body()
	err := s.run(ctx, writes, func(ctx context.Context, unsure bool) error {
		for range tries {
			n, err := s.change(ctx, request)
			if err != nil || n > 0 {
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
	request := s.doc.life(s.doc.key(s.doc.touch.with(), id), ttl).body()
	return s.fail("touch", s.run(ctx, writes, func(ctx context.Context, _ bool) error {
		for range tries {
			n, err := s.change(ctx, request)
			if err != nil || n > 0 {
				return err
			}
			if _, err := s.revision(ctx, id); err != nil {
				return err
			}
		}
		return errBarred
	}))
}

// Delete implements [store.Store]: it buries what is there, see record.go.
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := s.check(store.CheckDelete(ctx, id)); err != nil {
		return s.fail("delete", err)
	}
	request := s.doc.key(s.doc.end.with(), id).body()
	return s.fail("delete", s.run(ctx, writes, func(ctx context.Context, _ bool) error {
		_, err := s.change(ctx, request)
		return err
	}))
}

// revision returns the revision of what is live under id, for a write that changed
// nothing.
func (s *Store) revision(ctx context.Context, id string) (store.Revision, error) {
	e, err := s.find(ctx, s.doc.look, id)
	return e.Revision, call.Question(err)
}

// free buries what has expired under id, for a create that was refused.
func (s *Store) free(ctx context.Context, id string) error {
	_, err := s.change(ctx, s.doc.key(s.doc.free.with(), id).body())
	return call.Question(err)
}

// Ping implements [store.Pinger]. A class that is missing is an error, and so is a user who
// may not read it.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("ping", err)
	}
	return s.fail("ping", s.there(ctx))
}

// there asks for anything of the class, also before what may take long: for a server that
// is not there nobody waits as long as for that.
func (s *Store) there(ctx context.Context) error {
	request := s.doc.key(s.doc.look.with(), "sojourn").body()
	return s.run(ctx, reads, func(ctx context.Context, _ bool) error {
		_, err := s.ask(ctx, request)
		return err
	})
}

// idle closes the connections of our own client that nobody uses.
func (s *Store) idle() {
	if s.owned != nil {
		s.owned.CloseIdleConnections()
	}
}

// Close ends the background sweeper, and waits for it. Afterwards every call returns
// [store.ErrClosed]. A client of the caller's stays as it is.
func (s *Store) Close() error {
	s.calls.Close()
	s.once.Do(func() { // a second caller waits for the first
		s.sweep.End()
		s.idle()
	})
	return nil
}
