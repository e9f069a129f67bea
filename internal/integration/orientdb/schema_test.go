package orientdb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// shape is what the server says of the class and its indexes, without its name; "" if there
// is none.
func (x *class) shape(tb testing.TB) string {
	tb.Helper()
	name := map[string]any{"class": strings.ToLower(x.opts.Class)}
	var lines []string
	for _, c := range x.sql(tb, `SELECT customFields AS custom, properties.name AS names, properties.type AS types
FROM (SELECT expand(classes) FROM metadata:schema) WHERE name.toLowerCase()=:class`, name) {
		lines = append(lines, fmt.Sprint("custom ", c["custom"]))
		types, _ := c["types"].([]any)
		for i, p := range c["names"].([]any) {
			lines = append(lines, fmt.Sprint("property ", p, " ", types[i]))
		}
	}
	for _, i := range x.sql(tb, `SELECT name, type, indexDefinition.field AS field, indexDefinition.nullValuesIgnored AS without
FROM (SELECT expand(indexes) FROM metadata:indexmanager) WHERE indexDefinition.className.toLowerCase()=:class`, name) {
		_, short, _ := strings.Cut(fmt.Sprint(i["name"]), ".")
		lines = append(lines, fmt.Sprintf("index %s %v %v, without null: %v", short, i["field"], i["type"], i["without"]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// whole is the shape of a class that is complete. STRING is 7, BINARY is 8, LONG is 3.
const whole = `custom map[sojourn:schema 1]
index due due NOTUNIQUE, without null: false
index id id UNIQUE_HASH_INDEX, without null: false
index owner owner NOTUNIQUE, without null: true
property data 8
property due 3
property exp 3
property id 7
property owner 7
property rev 3`

// statements are those of the schema.
func (x *class) statements(tb testing.TB) []string {
	tb.Helper()
	ddl, err := x.opts.DDL()
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(ddl, ";\n")
}

// Migrate makes the class, however often it is called, and DDL is what it does.
func TestMigrateMakesTheClass(t *testing.T) {
	t.Parallel()
	x, byHand := unmade(t, shared.URL(t)), unmade(t, shared.URL(t))
	h, client := hear(t)
	s := x.open(t, client)
	for range 3 {
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := x.shape(t); got != whole {
			t.Errorf("Migrate makes\n%s\nwant\n%s", got, whole)
		}
	}
	made := 0
	for _, e := range h.take() {
		if !strings.HasPrefix(e.sql, "SELECT") {
			made++
		}
	}
	if want := len(x.statements(t)); made != want {
		t.Errorf("three times Migrate are %d statements, want the %d of the first", made, want)
	}
	for _, sql := range byHand.statements(t) {
		byHand.sql(t, sql, nil)
	}
	if got := byHand.shape(t); got != whole {
		t.Errorf("the schema makes\n%s\nwant\n%s", got, whole)
	}
	exercise(t, byHand.open(t, nil))
}

// A class of which a part was made, since whoever made it was killed, is completed.
func TestMigrateCompletes(t *testing.T) {
	t.Parallel()
	all := len((&class{}).statements(t))
	for n := 1; n < all; n++ {
		if !full() && n != 1 && n != 4 && n != all-2 && n != all-1 {
			continue
		}
		x := unmade(t, shared.URL(t))
		for _, sql := range x.statements(t)[:n] {
			x.sql(t, sql, nil)
		}
		if err := x.open(t, nil).Migrate(t.Context()); err != nil {
			t.Errorf("after %d statements: %v", n, err)
		}
		if got := x.shape(t); got != whole {
			t.Errorf("after %d statements it is completed to\n%s\nwant\n%s", n, got, whole)
		}
	}
}

// A class of somebody else's, and of a newer version's, is refused and left as it is.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ begin, sql, says string }{
		"another type":          {"CREATE CLASS {class}", "CREATE PROPERTY {class}.id INTEGER", "another one"},
		"another property":      {"CREATE CLASS {class}", "CREATE PROPERTY {class}.color STRING", "another one"},
		"records":               {"CREATE CLASS {class}", "INSERT INTO {class} SET id='mine'", "another one"},
		"records, and our type": {"CREATE CLASS {class}", "INSERT INTO {class} SET id='s:mine', rev=1, exp=1, due=1", "another one"},
		"another mark":          {"CREATE CLASS {class}", "ALTER CLASS {class} CUSTOM sojourn='mine'", "another one"},
		"a newer version":       {"CREATE CLASS {class}", "ALTER CLASS {class} CUSTOM sojourn='schema 2'", "newer"},
	} {
		t.Run(what, func(t *testing.T) {
			x := unmade(t, shared.URL(t))
			x.sql(t, c.begin, nil)
			x.sql(t, c.sql, nil)
			before, records := x.shape(t), fmt.Sprint(x.sql(t, `SELECT FROM {class}`, nil))
			err := x.open(t, nil).Migrate(t.Context())
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that is ErrInvalid and says %q", err, c.says)
			}
			if got := x.shape(t); got != before {
				t.Errorf("it was\n%s\nand is\n%s", before, got)
			}
			if got := fmt.Sprint(x.sql(t, `SELECT FROM {class}`, nil)); got != records {
				t.Errorf("there was %s, and is %s", records, got)
			}
		})
	}
}

// The classes that a database comes with are the server's.
func TestMigrateRefusesTheServersClasses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"OUser", "orole", "OIdentity", "OFunction", "OSequence", "OSchedule", "ORestricted", "OTriggered", "OSecurityPolicy", "V", "e"} {
		x := unmade(t, shared.URL(t))
		x.opts.Class = name
		before := x.shape(t)
		if before == "" && len(name) > 1 {
			t.Errorf("the server has no class %s", name)
		}
		s, err := orientdb.New(&x.db, &x.opts)
		if err == nil {
			err = s.Migrate(t.Context())
			_ = s.Close()
		}
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
		if got := x.shape(t); got != before {
			t.Errorf("%s was\n%s\nand is\n%s", name, before, got)
		}
		x.opts.Class = orientdbtest.NewName() // which is what the test drops
	}
}

// To the server names whose case differs are one, and so they are here.
func TestCaseOfTheClass(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	v := verbs.Theirs(t, s)
	x.opts.Class = strings.ToUpper(x.opts.Class)
	other := x.open(t, nil)
	if err := other.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := x.shape(t); got != whole {
		t.Errorf("it is\n%s", got)
	}
	if e, err := other.Load(t.Context(), "a"); err != nil || e.Revision != v {
		t.Errorf("%+v, %v", e, err)
	}
	if n, err := other.DeleteOwner(t.Context(), "o"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Words of SQL are names like any other.
func TestReservedWords(t *testing.T) {
	t.Parallel()
	words := []string{"select", "from", "order", "where"}
	if full() {
		words = append(words, "limit", "null", "class", "UPDATE", "delete", "insert", "true", "let", "count", "metadata", "cluster", "indexes", "schema", "Traverse", "and", "in", "not")
	}
	for _, word := range words {
		x := unmade(t, shared.URL(t))
		x.opts.Class = word
		_ = orientdbtest.Drop(t.Context(), x.db, word)
		s := x.open(t, nil)
		if err := s.Migrate(t.Context()); err != nil {
			t.Errorf("%s: %v", word, err)
			continue
		}
		if got := x.shape(t); got != whole {
			t.Errorf("%s is\n%s", word, got)
		}
		exercise(t, s)
	}
}

// The files that the server keeps its own in have names too: a class of such a name would be
// in them, and sessions would be lost, or the whole database. The store is not opened.
func TestNamesOfTheServersFiles(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	for _, name := range []string{"internal", "index", "manindex", "Internal", "INDEX"} {
		s, err := orientdb.New(&x.db, &orientdb.Options{Class: name, SweepEvery: -1})
		if err == nil {
			_ = s.Close()
		}
		want(t, name, err, store.ErrInvalid)
		_, err = (&orientdb.Options{Class: name}).DDL()
		want(t, name, err, store.ErrInvalid)
	}
}

// exercise calls each verb on an empty class, which is empty afterwards.
func exercise(tb testing.TB, s *orientdb.Store) {
	tb.Helper()
	v := verbs.Theirs(tb, s)
	v, err := s.Update(tb.Context(), "a", store.Record{Data: []byte("2"), Owner: "p"}, hour, v)
	want(tb, "update", err, nil)
	want(tb, "touch", s.Touch(tb.Context(), "a", 2*hour), nil)
	if e, err := s.Load(tb.Context(), "a"); err != nil || string(e.Data) != "2" || e.Owner != "p" || e.Revision != v {
		tb.Errorf("load: %+v, %v", e, err)
	}
	for _, q := range []store.Query{{}, {Data: true}, {Owner: "p"}, {Owner: "p", Data: true}} {
		n := 0
		for l, err := range s.List(tb.Context(), q) {
			if n++; err != nil || l.ID != "a" || q.Data != (string(l.Data) == "2") {
				tb.Errorf("list: %+v, %v", l, err)
			}
		}
		if n != 1 {
			tb.Errorf("%+v lists %d", q, n)
		}
	}
	if n, err := s.Count(tb.Context()); n != 1 || err != nil {
		tb.Errorf("count: %d, %v", n, err)
	}
	if n, err := s.Sweep(tb.Context()); n != 0 || err != nil {
		tb.Errorf("sweep: %d, %v", n, err)
	}
	if n, err := s.DeleteOwner(tb.Context(), "p"); n != 1 || err != nil {
		tb.Errorf("delete owner: %d, %v", n, err)
	}
	create(tb, s, "a", "3")
	want(tb, "delete", s.Delete(tb.Context(), "a"), nil)
	create(tb, s, "a", "4")
	want(tb, "ping", s.Ping(tb.Context()), nil)
	want(tb, "clear", s.Clear(tb.Context()), nil)
	if n, err := s.Count(tb.Context()); n != 0 || err != nil {
		tb.Errorf("count: %d, %v", n, err)
	}
}
