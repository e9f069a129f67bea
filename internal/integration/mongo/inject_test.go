package mongo_test

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/store"
)

// what looks like an operator, a field or a command of the server's.
var hostile = []string{
	`{"$gt":""}`, `{$ne:null}`, `$ne`, `$$ROOT`, `$$NOW`, `$data`, `$deadline`, `$_id`, `_id`, `a.b`, `.`, `..`, `$`, `$$`, `{}`, `[]`, `null`,
	`{"$where":"sleep(1000)"}`, `{"$function":{"body":"1","args":[],"lang":"js"}}`, `';return/**/true;var/**/a='`, `$literal`, `$$REMOVE`, `$where`,
	`__proto__`, `constructor`, `data`, `owner`, `deadline`, `ObjectId("000000000000000000000000")`, `/.*/`, `.*`, `^`, `*`,
}

// SEC-24: a text of the caller's is a text, as an id and as an owner, in every verb.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	s := x.open(t, nil)
	create(t, s, "bystander", "kept")
	for _, text := range hostile {
		// Nobody is found by it.
		if e, err := s.Load(t.Context(), text); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s loads %+v, %v", text, e, err)
		}
		want(t, text, s.Touch(t.Context(), text, hour), store.ErrNotFound)
		_, err := s.Update(t.Context(), text, store.Record{}, hour, 1)
		want(t, text, err, store.ErrNotFound)
		want(t, text, s.Delete(t.Context(), text), nil)
		if n, err := s.DeleteOwner(t.Context(), text); n != 0 || err != nil {
			t.Errorf("DeleteOwner(%s) ends %d, %v", text, n, err)
		}
		// And it comes back as it is.
		rec := store.Record{Data: []byte(text), Owner: text}
		v, err := s.Create(t.Context(), text, rec, hour)
		if err != nil {
			t.Errorf("create %s: %v", text, err)
			continue
		}
		if v, err = s.Update(t.Context(), text, rec, hour, v); err != nil {
			t.Errorf("update %s: %v", text, err)
		}
		want(t, text, s.Touch(t.Context(), text, 2*hour), nil)
		if e, err := s.Load(t.Context(), text); err != nil || string(e.Data) != text || e.Owner != text || e.Revision != v {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
		n := 0
		for l, err := range s.List(t.Context(), store.Query{Owner: text}) {
			if n++; err != nil || l.ID != text || l.Owner != text {
				t.Errorf("%s lists %+v, %v", text, l, err)
			}
		}
		if n != 1 {
			t.Errorf("%s has %d sessions, want 1", text, n)
		}
		if n, err := s.DeleteOwner(t.Context(), text); n != 1 || err != nil {
			t.Errorf("DeleteOwner(%s) ends %d, %v", text, n, err)
		}
	}
	if n, err := s.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d sessions are left, %v", n, err)
	}
	if n, err := x.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("%d documents are left, %v", n, err)
	}
}

// As the name of a collection it is one, or the server's error; it is never another's.
func TestHostileCollections(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	create(t, x.open(t, nil), "a", "")
	for _, name := range append([]string{"system.users", "$cmd", "", "a\x00b", "system.indexes"}, hostile...) {
		c := x.Database().Collection(x.Name() + "_" + name)
		if name == "" || name[0] == 's' {
			c = x.Database().Collection(name)
		}
		s, err := mongo.New(c, &x.opts)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Create(t.Context(), "hostile", store.Record{}, hour)
		if err == nil {
			if e, err := s.Load(t.Context(), "hostile"); err != nil {
				t.Errorf("%q: %+v, %v", name, e, err)
			}
			if err := c.Drop(t.Context()); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
		_ = s.Close()
	}
	if n, err := x.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("%d documents, want the one: %v", n, err)
	}
}

// A document whose fields are not what they should be is ErrCorrupt until its deadline has
// passed, to every verb but Delete, and hinders nobody.
func TestPlantedDocuments(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	s := x.open(t, nil)
	create(t, s, "bystander", "")
	good := bson.D{{Key: "data", Value: bson.Binary{}}, {Key: "revision", Value: int64(7)}, {Key: "deadline", Value: inAnHour()}}
	for what, change := range map[string]bson.D{
		"no data":             {{Key: "data", Value: nil}},
		"data of text":        {{Key: "data", Value: "x"}},
		"no revision":         {{Key: "revision", Value: nil}},
		"revision 0":          {{Key: "revision", Value: int64(0)}},
		"revision of a float": {{Key: "revision", Value: 7.0}},
		"no deadline":         {{Key: "deadline", Value: nil}},
		"deadline of text":    {{Key: "deadline", Value: "2001-01-01"}},
		"deadline of number":  {{Key: "deadline", Value: int64(1)}},
		"deadline of dates":   {{Key: "deadline", Value: bson.A{inAnHour()}}},
		"owner of a document": {{Key: "owner", Value: bson.D{{Key: "$gt", Value: ""}}}},
		"owner of control":    {{Key: "owner", Value: "a\nb"}},
		"empty owner":         {{Key: "owner", Value: ""}},
		"owner of null":       {{Key: "owner", Value: nil}},
	} {
		doc := bson.D{{Key: "_id", Value: "planted"}}
		for _, e := range good {
			if e.Key != change[0].Key {
				doc = append(doc, e)
			}
		}
		if change[0].Value != nil || change[0].Key == "owner" {
			doc = append(doc, change[0])
		}
		if _, err := x.InsertOne(t.Context(), doc); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		_, loaded := s.Load(t.Context(), "planted")
		_, created := s.Create(t.Context(), "planted", store.Record{}, hour)
		base := store.Revision(8)
		if change[0].Key == "data" {
			base = 7 // as it was when somebody could read it
		}
		_, updated := s.Update(t.Context(), "planted", store.Record{}, hour, base)
		for verb, err := range map[string]error{"load": loaded, "create": created, "update": updated} {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s, %s: got %v, want ErrCorrupt", what, verb, err)
			}
		}
		for l, err := range s.List(t.Context(), store.Query{Data: true}) {
			if err != nil || l.ID != "bystander" {
				t.Errorf("%s: lists %+v, %v", what, l, err)
			}
		}
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Errorf("%s: sweep: %v", what, err)
		}
		if n, err := x.CountDocuments(t.Context(), bson.D{}); n != 2 || err != nil {
			t.Errorf("%s: %d documents, want 2: it removes itself; %v", what, n, err)
		}
		want(t, what, s.Delete(t.Context(), "planted"), nil)
	}
	// Its time is over: it is gone, and its id is free.
	for i, doc := range []bson.D{
		{{Key: "revision", Value: "?"}, {Key: "deadline", Value: inAnHour().Add(-2 * hour)}},
		{{Key: "data", Value: 1}, {Key: "owner", Value: 2}, {Key: "deadline", Value: inAnHour().Add(-2 * hour)}},
	} {
		id := fmt.Sprint("old", i)
		if _, err := x.InsertOne(t.Context(), append(bson.D{{Key: "_id", Value: id}}, doc...)); err != nil {
			t.Fatal(err)
		}
		_, err := s.Load(t.Context(), id)
		want(t, "load", err, store.ErrNotFound)
		create(t, s, id, "new")
	}
}
