package mongo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// Whatever the client and the collection are set to, the store writes to a majority and its
// disks, and reads what is there from the primary (CONC-2).
func TestSettingsOfTheCollectionDoNotMatter(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	heard := &onCommand{}
	client := mongotest.Client(t, x.url, nil, heard.monitor, func(o *options.ClientOptions) {
		o.SetWriteConcern(writeconcern.W1()).SetReadPreference(readpref.SecondaryPreferred()).SetReadConcern(readconcern.Available())
	})
	c := client.Database(x.Database().Name()).Collection(x.Name(), options.Collection().
		SetWriteConcern(writeconcern.Unacknowledged()).SetReadPreference(readpref.Nearest()).SetReadConcern(readconcern.Available()))
	s, err := mongo.New(c, &x.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := verbs.Theirs(t, s)
	for what, call := range verbs.All(s, v) {
		if err := call(t.Context()); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Clear(t.Context()); err != nil {
		t.Error(err)
	}
	writes, reads := 0, 0
	for _, cmd := range heard.take() {
		name := first(t, cmd)
		switch name {
		case "update", "delete":
			writes++
			if w, _ := cmd.Lookup("writeConcern", "w").StringValueOK(); w != "majority" {
				t.Errorf("%s with w: %v", name, cmd.Lookup("writeConcern"))
			}
			if j, _ := cmd.Lookup("writeConcern", "j").BooleanOK(); !j {
				t.Errorf("%s without j: %v", name, cmd.Lookup("writeConcern"))
			}
		case "aggregate", "find":
			reads++
			if l, _ := cmd.Lookup("readConcern", "level").StringValueOK(); l != "local" {
				t.Errorf("%s: %v", name, cmd.Lookup("readConcern"))
			}
			// To a server that was named alone the driver says primaryPreferred.
			if mode, ok := cmd.Lookup("$readPreference", "mode").StringValueOK(); ok && !strings.HasPrefix(mode, "primary") {
				t.Errorf("%s reads from %s", name, mode)
			}
		case "hello":
		default:
			t.Errorf("the store sent %s", name)
		}
	}
	if writes < 5 || reads < 5 {
		t.Errorf("%d writes and %d reads were heard", writes, reads)
	}
}

// first is the name of a command.
func first(tb testing.TB, cmd bson.Raw) string {
	tb.Helper()
	elements, err := cmd.Elements()
	if err != nil || len(elements) == 0 {
		tb.Fatalf("a command without a name: %v", err)
	}
	return elements[0].Key()
}

// Each verb that succeeds is one command, and so is a Load of nothing and a Delete of it.
func TestEachVerbIsOneCommand(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	heard := &onCommand{}
	s := x.open(t, mongotest.Client(t, x.url, nil, heard.monitor))
	var v store.Revision
	for _, c := range []struct {
		what string
		call func() error
	}{
		{"create", func() (err error) { v, err = s.Create(t.Context(), "a", store.Record{Owner: "o"}, hour); return err }},
		{"load", func() error { _, err := s.Load(t.Context(), "a"); return err }},
		{"update", func() (err error) { v, err = s.Update(t.Context(), "a", store.Record{Owner: "p"}, hour, v); return err }},
		{"touch", func() error { return s.Touch(t.Context(), "a", hour) }},
		{"touch again", func() error { return s.Touch(t.Context(), "a", 2*hour) }},
		{"delete", func() error { return s.Delete(t.Context(), "a") }},
		{"delete of nothing", func() error { return s.Delete(t.Context(), "a") }},
		{"load of nothing", func() error {
			if _, err := s.Load(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		}},
	} {
		heard.take()
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if sent := heard.take(); len(sent) != 1 {
			t.Errorf("%s is %d commands: %v", c.what, len(sent), sent)
		}
	}
}

// A transaction that the context carries is not the store's: what it undoes was told to be
// there.
func TestNotInTheCallersTransaction(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	s := x.open(t, nil)
	session, err := x.Database().Client().StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.EndSession(context.Background())
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	ctx := driver.NewSessionContext(t.Context(), session)
	if _, err := s.Create(ctx, "a", store.Record{}, hour); err != nil {
		t.Fatal(err)
	}
	if err := session.AbortTransaction(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "a"); err != nil {
		t.Errorf("after the transaction was undone: %v", err)
	}
}
