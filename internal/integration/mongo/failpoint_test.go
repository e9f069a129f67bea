package mongo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// failPoint is the one that a server has.
var failPoint sync.Mutex

// failing has a store whose commands fail as the server's failCommand does; on begins that.
func (x *collection) failing(t *testing.T, change ...func(*options.ClientOptions)) (s *mongo.Store, on func(mode any, data ...bson.E) (off func())) {
	t.Helper()
	failPoint.Lock()
	t.Cleanup(failPoint.Unlock)
	app := rand.Text()
	s = x.open(t, mongotest.Client(t, x.url, nil, append(change, func(o *options.ClientOptions) { o.SetAppName(app) })...))
	direct := x.Database().Client()
	return s, func(mode any, data ...bson.E) func() {
		t.Helper()
		off, err := mongotest.FailPoint(t.Context(), direct, mode, append(bson.D{{Key: "appName", Value: app}}, data...))
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := off(); err != nil {
				t.Error(err)
			}
		}
	}
}

func times(n int) bson.D              { return bson.D{{Key: "times", Value: n}} }
func commands(names ...string) bson.E { return bson.E{Key: "failCommands", Value: names} }
func code(n int) bson.E               { return bson.E{Key: "errorCode", Value: n} }
func labels(l ...string) bson.E       { return bson.E{Key: "errorLabels", Value: l} }

var closes = bson.E{Key: "closeConnection", Value: true}

// What passes by itself, an election or a connection that the server closes, is no error:
// the call waits for it.
func TestWhatPassesIsRepeated(t *testing.T) {
	t.Parallel()
	// After these the driver waits until it has heard of a primary again.
	waits := map[string]bool{"not the primary": true, "primary stepped down": true, "shutting down": true, "nothing was written": true}
	for name, change := range drivers {
		for what, fault := range map[string]bson.D{
			"closed connection":    {closes},
			"not the primary":      {code(10107)},
			"primary stepped down": {code(189), labels("RetryableWriteError")},
			"shutting down":        {code(91), labels("RetryableWriteError")},
			"time exceeded":        {code(262), labels("RetryableWriteError")},
			"write conflict":       {code(112)},
			"nothing was written":  {code(91), labels("RetryableWriteError", "NoWritesPerformed")},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				x := newCollection(t, shared.URL(t))
				s, on := x.failing(t, change)
				v := verbs.Theirs(t, s)
				asked := []string{"create", "update", "touch", "delete", "load", "list", "sweep", "delete owner"}
				n := 2
				if waits[what] && !full() { // half a second each
					asked, n = []string{"update", "load", "delete owner"}, 1
				}
				for _, verb := range asked {
					off := on(times(n), append(fault, commands("update", "delete", "aggregate", "find"))...)
					if err := verbs.All(s, v)[verb](t.Context()); err != nil {
						t.Errorf("%s: %v", verb, err)
					}
					off()
				}
				if e, err := s.Load(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("after its owner's end: %+v, %v", e, err)
				}
			})
		}
	}
}

// What does not pass is an error: at once if the server says that it is of no use to try
// again, and in the end if it goes on; of unknown outcome if it may have been applied.
func TestWhatDoesNotPass(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		fault   bson.D
		atOnce  bool
		unknown bool
		kind    error
		text    string
	}{
		"no right":         {bson.D{code(13)}, true, false, nil, "lacks the right"},
		"full":             {bson.D{code(14031)}, true, false, store.ErrFull, "disk is full"},
		"who knows":        {bson.D{code(8)}, true, false, nil, "code 8"},
		"never a primary":  {bson.D{code(10107)}, false, true, context.DeadlineExceeded, "not the primary"},
		"never a majority": {bson.D{{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}}}, false, true, nil, "replica set"},
		"always closed":    {bson.D{closes}, false, true, context.DeadlineExceeded, ""},
	} {
		t.Run(what, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			x.opts.Timeout = time.Minute // longer than it may take where it is to be told at once
			s, on := x.failing(t)
			try := func(verb string, limit time.Duration) error {
				if err := s.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				call := verbs.All(s, verbs.Theirs(t, s))[verb]
				off := on("alwaysOn", append(c.fault, commands("update", "delete"))...)
				defer off()
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				return call(ctx)
			}
			for _, verb := range []string{"create", "update", "touch", "delete"} {
				limit := time.Second
				if c.atOnce {
					limit = time.Hour
				}
				err := try(verb, limit)
				// On a busy machine the server has not answered twice by then.
				for ; errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), c.text) && limit < time.Minute; err = try(verb, limit) {
					limit *= 4
				}
				if err == nil || errors.Is(err, store.ErrUnknown) != c.unknown || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: got %v", verb, err)
				}
				if c.kind != nil {
					want(t, verb, err, c.kind)
				}
				for _, wrong := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict} {
					if errors.Is(err, wrong) {
						t.Errorf("%s: got %v", verb, err)
					}
				}
				if c.atOnce && errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s was tried for as long as there was time: %v", verb, err)
				}
			}
		})
	}
}

// FAIL-3 where the server applies a write, and then says that it cannot confirm it: the
// write is found by the repeat, and is there once.
func TestWriteConcernErrorIsRepeated(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			s, on := x.failing(t, change)
			v := verbs.Theirs(t, s)
			fault := bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}}
			off := on(times(1), commands("update"), fault)
			w, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2"), Owner: "o"}, hour, v)
			off()
			if err != nil {
				t.Fatal(err)
			}
			if e, err := s.Load(t.Context(), "a"); err != nil || e.Revision != w || string(e.Data) != "2" {
				t.Errorf("%+v, %v", e, err)
			}
			off = on(times(1), commands("update"), fault)
			_, err = s.Create(t.Context(), "b", store.Record{}, hour)
			off()
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Many clients count on one session while the server closes connections ahead of what they
// ask for: the sum is what was acknowledged.
func TestCountWhileConnectionsClose(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			s, on := x.failing(t, change)
			create(t, s, "n", "0")
			const rounds, clients, each = 10, 4, 5
			counted := 0
			for range rounds {
				off := on(times(3), commands("update", "aggregate"), closes)
				done := make(chan int, clients)
				for range clients {
					go func() {
						n := 0
						for range each {
							if err := visit(t.Context(), s, "n"); err == nil {
								n++
							} else if !errors.Is(err, store.ErrUnknown) {
								t.Error(err)
							}
						}
						done <- n
					}()
				}
				for range clients {
					counted += <-done
				}
				off()
			}
			// It closes ahead of what is asked: what is of unknown outcome was not applied.
			if e, err := s.Load(t.Context(), "n"); err != nil || string(e.Data) != fmt.Sprint(counted) {
				t.Errorf("the count is %s, want %d; %v", e.Data, counted, err)
			}
		})
	}
}
