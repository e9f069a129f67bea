package mongo_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"
)

func inAnHour() time.Time { return time.Now().Add(hour) }

// In a collection in which the contract would not hold nothing is stored.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		opts *options.CreateCollectionOptionsBuilder
		text string
	}{
		"capped":      {options.CreateCollection().SetCapped(true).SetSizeInBytes(1 << 20), "is capped"},
		"collation":   {options.CreateCollection().SetCollation(&options.Collation{Locale: "en", Strength: 1}), "has a collation"},
		"time series": {options.CreateCollection().SetTimeSeriesOptions(options.TimeSeries().SetTimeField("at")), "time"},
	} {
		t.Run(what, func(t *testing.T) {
			x := unmade(t, shared.URL(t))
			if err := x.Database().CreateCollection(t.Context(), x.Name(), c.opts); err != nil {
				t.Fatal(err)
			}
			err := x.open(t, nil).Migrate(t.Context())
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "another one") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("view", func(t *testing.T) {
		x, of := unmade(t, shared.URL(t)), newCollection(t, shared.URL(t))
		if err := x.Database().CreateView(t.Context(), x.Name(), of.Name(), bson.A{}); err != nil {
			t.Fatal(err)
		}
		if err := x.open(t, nil).Migrate(t.Context()); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "is a view") {
			t.Errorf("got %v", err)
		}
		if _, err := x.open(t, nil).Create(t.Context(), "a", store.Record{}, hour); err == nil {
			t.Error("a session was created in a view")
		}
	})
}

// Migrate makes two indexes, however often it is called, and says so where somebody has
// made others of their names.
func TestMigrateMakesIndexes(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	s := x.open(t, nil)
	for range 3 {
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	found := x.indexes(t)
	if len(found) != 3 || found["sojourn_deadline"].ExpireAfterSeconds == nil || *found["sojourn_deadline"].ExpireAfterSeconds != 0 {
		t.Errorf("the indexes are %+v", found)
	}
	if err := x.Indexes().DropOne(t.Context(), "sojourn_deadline"); err != nil {
		t.Fatal(err)
	}
	other := options.Index().SetName("sojourn_deadline").SetExpireAfterSeconds(5)
	if _, err := x.Indexes().CreateOne(t.Context(), driverIndex("deadline", other)); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "drop it") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

// A validator of somebody else's is an error that says so.
func TestValidator(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	s := x.open(t, nil)
	v := create(t, s, "a", "")
	cmd := bson.D{{Key: "collMod", Value: x.Name()}, {Key: "validator", Value: bson.D{{Key: "color", Value: "blue"}}}}
	if err := x.Database().RunCommand(t.Context(), cmd).Err(); err != nil {
		t.Fatal(err)
	}
	_, created := s.Create(t.Context(), "b", store.Record{}, hour)
	_, updated := s.Update(t.Context(), "a", store.Record{}, hour, v)
	for what, err := range map[string]error{"create": created, "update": updated} {
		if err == nil || !strings.Contains(err.Error(), "validator") || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// Without indexes every verb works.
func TestWithoutMigrate(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	s := x.open(t, nil)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	v := verbs.Theirs(t, s)
	if _, err := s.Update(t.Context(), "a", store.Record{Owner: "o"}, hour, v); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := s.DeleteOwner(t.Context(), "o"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// REL-20: documents that the first version wrote are read by this one, and fields that a
// later one may add stay when this one updates. testdata/documents1.json is not to be
// changed: it is what is out there.
func TestOldDocuments(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/documents1.json")
	if err != nil {
		t.Fatal(err)
	}
	x := newCollection(t, shared.URL(t))
	for line := range strings.Lines(string(golden)) {
		var doc bson.D
		if err := bson.UnmarshalExtJSON([]byte(line), true, &doc); err != nil {
			t.Fatal(err)
		}
		if _, err := x.InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	s := x.open(t, nil)
	e, err := s.Load(t.Context(), "Kept_by-the.first")
	if err != nil || string(e.Data) != "caf\xc3\xa9\x00" || e.Owner != "Zoë" || e.Revision != 0xfedcba9876543210 {
		t.Errorf("before: %+v, %v", e, err)
	}
	if _, err := s.Load(t.Context(), "Expired"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what has expired: %v", err)
	}
	if n, err := x.open(t, nil).Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
	x.set(t, "Kept_by-the.first", bson.D{{Key: "later", Value: bson.D{{Key: "version", Value: 2}}}})
	v, err := s.Update(t.Context(), "Kept_by-the.first", store.Record{Data: []byte("new")}, hour, e.Revision)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Touch(t.Context(), "Kept_by-the.first", hour); err != nil {
		t.Fatal(err)
	}
	var doc bson.Raw
	if err := x.FindOne(t.Context(), bson.D{{Key: "_id", Value: "Kept_by-the.first"}}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if n, ok := doc.Lookup("later", "version").AsInt64OK(); n != 2 || !ok {
		t.Errorf("the field of a later version is gone: %v", doc)
	}
	if _, err := doc.LookupErr("owner"); err == nil {
		t.Errorf("nobody's session has an owner: %v", doc)
	}
	// What this version writes is what the first wrote.
	is := map[string]bson.Type{}
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, el := range elements {
		is[el.Key()] = el.Value().Type
	}
	for key, typ := range map[string]bson.Type{"_id": bson.TypeString, "data": bson.TypeBinary, "revision": bson.TypeInt64, "deadline": bson.TypeDateTime} {
		if is[key] != typ {
			t.Errorf("%s is of type %v, want %v", key, is[key], typ)
		}
	}
	if n := doc.Lookup("revision").Int64(); store.Revision(n) != v {
		t.Errorf("the revision is %x, want %x", n, v)
	}
}

// A URL opens what it names.
func TestOpen(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	url := with(x.url, "collection="+x.Name())
	s, err := store.Open(t.Context(), url+"&timeout=3s&max_data=100&sweep_every=-1s", mongo.Opener)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "a", store.Record{Data: make([]byte, 101)}, hour); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("max_data=100: %v", err)
	}
	create(t, s, "a", "")
	if n := len(x.indexes(t)); n != 3 {
		t.Errorf("%d indexes", n)
	}
	if err := store.Close(s); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	// A capped one is refused when it is opened.
	capped := unmade(t, shared.URL(t))
	if err := capped.Database().CreateCollection(t.Context(), capped.Name(), options.CreateCollection().SetCapped(true).SetSizeInBytes(1<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), with(capped.url, "collection="+capped.Name()), mongo.Opener); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a capped collection: %v", err)
	}
	// Where there is no server, or no such user, the error says so, without the password.
	for url, text := range map[string]string{
		"mongodb://me:hunter2@127.0.0.1:1/app?timeout=300ms":                                                  "127.0.0.1:1",
		strings.Replace(with(x.url, "authSource=admin&timeout=2s"), "mongodb://", "mongodb://me:hunter2@", 1): "wrong user or password",
	} {
		_, err := store.Open(t.Context(), url, mongo.Opener)
		if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want an error that says %q and no password", err, text)
		}
	}
}
