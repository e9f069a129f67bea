package mongo_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// onCommand hears the commands that a client sends, and calls what is to happen ahead of
// the next of a name.
type onCommand struct {
	name string

	mu   sync.Mutex
	do   func()
	sent []bson.Raw
}

func (o *onCommand) monitor(opts *options.ClientOptions) {
	opts.SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.sent = append(o.sent, append(bson.Raw(nil), e.Command...))
		if do := o.do; do != nil && e.CommandName == o.name {
			o.do = nil
			do()
		}
	}})
}

func (o *onCommand) next(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.do = do
}

// take returns the commands since the last call.
func (o *onCommand) take() []bson.Raw {
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := o.sent
	o.sent = nil
	return sent
}

// session is one that fill stores.
type session struct {
	id, owner string
	left      time.Duration
}

// fill stores n sessions past the store, with the data "x" and the revision 1.
func (x *collection) fill(tb testing.TB, n int, make func(i int) session) {
	tb.Helper()
	var docs []any
	flush := func() {
		if len(docs) == 0 {
			return
		}
		if _, err := x.InsertMany(tb.Context(), docs, options.InsertMany().SetOrdered(false)); err != nil {
			tb.Fatal(err)
		}
		docs = docs[:0]
	}
	now := time.Now()
	for i := range n {
		s := make(i)
		d := bson.D{
			{Key: "_id", Value: s.id},
			{Key: "data", Value: bson.Binary{Data: []byte("x")}},
			{Key: "revision", Value: int64(1)},
			{Key: "deadline", Value: now.Add(s.left)},
		}
		if s.owner != "" {
			d = append(d, bson.E{Key: "owner", Value: s.owner})
		}
		if docs = append(docs, d); len(docs) == 1000 {
			flush()
		}
	}
	flush()
}

// driverIndex is one of a field.
func driverIndex(field string, opts *options.IndexOptionsBuilder) driver.IndexModel {
	return driver.IndexModel{Keys: bson.D{{Key: field, Value: 1}}, Options: opts}
}
