package orientdb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

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
	x := patient(t)
	s := x.open(t, nil)
	v := theirs(t, s)
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
	v := theirs(tb, s)
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

// Each statement that looks for something does so by an index, but for what looks at every
// record: Count, and the listing of all, which goes on from a place.
func TestEveryStatementHasAnIndex(t *testing.T) {
	t.Parallel()
	x := patient(t)
	h, client := hear(t)
	s := x.open(t, client)
	x.fill(t, 700, `id='s:n'+$i, owner='o:'+($i % 50), rev=7`, inAnHour)
	x.fill(t, 100, `id='s:old'+$i, owner='o:'+($i % 50), rev=7`, anHourAgo)
	v := theirs(t, s)
	list := func(q store.Query) func() error {
		return func() error {
			for _, err := range s.List(t.Context(), q) {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		what       string
		call       func() error
		statements int
		plan       string // "" is an insert's, which looks for nothing
	}{
		{"load", func() error { _, err := s.Load(t.Context(), "a"); return err }, 1, "FETCH FROM INDEX {class}.id"},
		{"create", func() error { _, err := s.Create(t.Context(), "b", store.Record{}, hour); return err }, 1, ""},
		{"create in a place", func() error { _, err := s.Create(t.Context(), "old1", store.Record{}, hour); return err }, 4, "FETCH FROM INDEX {class}.id"},
		{"update", func() error { _, err := s.Update(t.Context(), "a", store.Record{Owner: "o"}, hour, v); return err }, 1, "FETCH FROM INDEX {class}.id"},
		{"update of nothing", func() error {
			if _, err := s.Update(t.Context(), "c", store.Record{Owner: "o"}, hour, v); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			return nil
		}, 2, "FETCH FROM INDEX {class}.id"},
		{"touch", func() error { return s.Touch(t.Context(), "a", hour) }, 1, "FETCH FROM INDEX {class}.id"},
		{"delete", func() error { return s.Delete(t.Context(), "b") }, 1, "FETCH FROM INDEX {class}.id"},
		{"ping", func() error { return s.Ping(t.Context()) }, 1, "FETCH FROM INDEX {class}.id"},
		{"list", list(store.Query{Data: true}), 2, "FETCH FROM CLUSTER"},
		{"list of an owner", list(store.Query{Owner: "2"}), 1, "FETCH FROM INDEX {class}.owner"},
		{"count", func() error { _, err := s.Count(t.Context()); return err }, 2, "FETCH FROM CLUSTER"},
		{"sweep", func() error { _, err := s.Sweep(t.Context()); return err }, 2, "FETCH FROM INDEX {class}.due"},
		{"delete owner", func() error { _, err := s.DeleteOwner(t.Context(), "2"); return err }, 1, "FETCH FROM INDEX {class}.owner"},
		{"clear", func() error { return s.Clear(t.Context()) }, 4, "FETCH FROM INDEX {class}.due"},
	} {
		h.take()
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		sent := h.take()
		if len(sent) != c.statements {
			t.Errorf("%s is %d statements, want %d", c.what, len(sent), c.statements)
		}
		for _, e := range sent {
			plan := x.plan(t, e)
			insert := strings.HasPrefix(e.sql, "INSERT")
			wanted := strings.ReplaceAll(c.plan, "{class}", x.opts.Class)
			// Before what looks at all of them the server is asked for something.
			first := c.what == "count" && strings.Contains(e.sql, "id=:id")
			switch {
			case insert && strings.Contains(plan, "FETCH"), insert != strings.Contains(plan, "CREATE EMPTY RECORDS"):
				t.Errorf("%s: %s\n%s", c.what, e.sql, plan)
			case !insert && !first && !strings.Contains(plan, wanted):
				t.Errorf("%s: want %q in\n%s\n%s", c.what, wanted, e.sql, plan)
			case strings.Contains(plan, "FETCH FROM CLASS") != (strings.Contains(c.plan, "CLUSTER") && !first):
				t.Errorf("%s reads all records, or does not:\n%s\n%s", c.what, e.sql, plan)
			}
		}
	}
}

// plan is how the server would do what was sent.
func (x *class) plan(tb testing.TB, e exchange) string {
	tb.Helper()
	found := x.sql(tb, "EXPLAIN "+e.sql, e.params)
	if len(found) != 1 {
		tb.Fatalf("no plan: %v", found)
	}
	plan, _ := found[0]["executionPlanAsString"].(string)
	return plan
}

// A record whose fields are not what they should be is ErrCorrupt until its end, to every
// verb but Delete, and hinders nobody.
func TestPlantedRecords(t *testing.T) {
	t.Parallel()
	x := patient(t)
	s := x.open(t, nil)
	create(t, s, "bystander", "")
	const soon = `(sysdate().asLong()+3600000)`
	const over = `(sysdate().asLong()-3600000)`
	plant := func(fields string) { x.sql(t, `INSERT INTO {class} SET `+fields, nil) }
	records := func() int {
		return number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE due IS NULL OR due>=0`, nil))
	}
	goesOn := func(what string, listed ...string) {
		t.Helper()
		for l, err := range s.List(t.Context(), store.Query{Data: true}) {
			if err != nil || l.ID != "bystander" && !slices.Contains(listed, l.ID) {
				t.Errorf("%s: lists %+v, %v", what, l, err)
			}
		}
		if _, err := s.Count(t.Context()); err != nil {
			t.Errorf("%s: count: %v", what, err)
		}
		if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("%s: sweep: %d, %v", what, n, err)
		}
		if n, err := s.DeleteOwner(t.Context(), "nobody"); n != 0 || err != nil {
			t.Errorf("%s: delete owner: %d, %v", what, n, err)
		}
	}
	for what, fields := range map[string]string{
		"no revision":          `owner='o:o', exp=` + soon + `, due=` + soon + `/60000`,
		"revision 0":           `rev=0, exp=` + soon + `, due=` + soon + `/60000`,
		"owner without prefix": `rev=7, owner='o', exp=` + soon + `, due=` + soon + `/60000`,
		"owner of a mark":      `rev=7, owner='m:o', exp=` + soon + `, due=` + soon + `/60000`,
		"empty owner":          `rev=7, owner='', exp=` + soon + `, due=` + soon + `/60000`,
		"no end":               `rev=7, due=1`,
		"no end and no due":    `rev=7`,
	} {
		plant(`id='s:planted', ` + fields)
		_, loaded := s.Load(t.Context(), "planted")
		_, created := s.Create(t.Context(), "planted", store.Record{}, hour)
		_, updated := s.Update(t.Context(), "planted", store.Record{}, hour, 7) // as it was when somebody could read it
		_, other := s.Update(t.Context(), "planted", store.Record{}, hour, 8)
		for verb, err := range map[string]error{"load": loaded, "create": created, "update": updated, "update from another": other, "touch": s.Touch(t.Context(), "planted", hour)} {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s, %s: got %v, want ErrCorrupt", what, verb, err)
			}
		}
		goesOn(what)
		if n := records(); n != 2 {
			t.Errorf("%s: %d records, want 2: it removes itself", what, n)
		}
		want(t, what, s.Delete(t.Context(), "planted"), nil)
		if n := records(); n != 1 {
			t.Errorf("%s: %d records after the delete, want 1", what, n)
		}
		create(t, s, "planted", "new")
		want(t, what, s.Delete(t.Context(), "planted"), nil)
	}
	// Its time is over: it is gone, and its id is free.
	for i, fields := range []string{`exp=` + over, `rev=0, due=1, exp=` + over, `rev=7, owner='?', exp=` + over + `, due=` + soon} {
		id := fmt.Sprint("old", i)
		plant(fmt.Sprintf(`id='s:%s', %s`, id, fields))
		_, err := s.Load(t.Context(), id)
		want(t, "load", err, store.ErrNotFound)
		want(t, "touch", s.Touch(t.Context(), id, hour), store.ErrNotFound)
		create(t, s, id, "new")
		want(t, "delete", s.Delete(t.Context(), id), nil)
	}
	// What has no due lives, and ends; its next write gives it one.
	plant(`id='s:undue', rev=7, exp=` + soon)
	goesOn("no due", "undue")
	want(t, "touch", s.Touch(t.Context(), "undue", hour), nil)
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE due IS NULL`, nil)); n != 0 {
		t.Error("a touch gives it no due")
	}
	// What nobody can ask for.
	plant(`rev=7, exp=` + soon + `, due=` + soon + `/60000`)
	plant(`id='undue', rev=7, exp=` + soon + `, due=` + soon + `/60000`)
	plant(`color='blue', id='x:1'`)
	goesOn("no id", "undue")
	if n := records(); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
	want(t, "clear", s.Clear(t.Context()), nil)
	if n := records(); n != 0 {
		t.Errorf("clear leaves %d records", n)
	}
	if found := x.sql(t, `SELECT FROM {class} WHERE exp>=0 OR data IS NOT NULL OR id LIKE 's:%'`, nil); len(found) != 0 {
		t.Errorf("clear leaves %v", found)
	}
}

// REL-20: records that the first version wrote are read by this one, and properties that a
// later one may add stay when this one updates. The text is not to be changed: it is what is
// out there.
func TestOldRecords(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	const golden = "CREATE CLASS {class};\n" +
		"CREATE PROPERTY {class}.`id` STRING;\n" +
		"CREATE PROPERTY {class}.`data` BINARY;\n" +
		"CREATE PROPERTY {class}.`owner` STRING;\n" +
		"CREATE PROPERTY {class}.`rev` LONG;\n" +
		"CREATE PROPERTY {class}.`exp` LONG;\n" +
		"CREATE PROPERTY {class}.`due` LONG;\n" +
		"CREATE INDEX `{name}.id` ON {class} (id) UNIQUE_HASH_INDEX;\n" +
		"CREATE INDEX `{name}.due` ON {class} (due) NOTUNIQUE;\n" +
		"CREATE INDEX `{name}.owner` ON {class} (owner) NOTUNIQUE METADATA {ignoreNullValues: true};\n" +
		"ALTER CLASS {class} CUSTOM sojourn='schema 1';\n" +
		"INSERT INTO {class} SET id='s:Kept_by-the.first', data=decode('Y2Fmw6kA','base64'), owner='o:Zo\\u00eb', rev=-81985529216486896, exp=4102444800123, due=68374080, color='blue';\n" +
		"INSERT INTO {class} SET id='s:nobodys', rev=1, exp=4102444800000, due=68374080;\n" +
		"INSERT INTO {class} SET id='s:expired', data=decode('eA==','base64'), owner='o:Zo\\u00eb', rev=2, exp=1700000000000, due=28333333;\n" +
		"INSERT INTO {class} SET id='x:#12:0', due=-28333333, exp=-1700000000000;\n" +
		"INSERT INTO {class} SET id='x:#12:1', owner='m:MARK', due=-28333333, exp=-1700000000000"
	for sql := range strings.SplitSeq(strings.ReplaceAll(golden, "{name}", x.opts.Class), ";\n") {
		x.sql(t, sql, nil)
	}
	s := x.open(t, nil)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := x.shape(t); got != whole {
		t.Errorf("it is\n%s", got)
	}
	e, err := s.Load(t.Context(), "Kept_by-the.first")
	if err != nil || string(e.Data) != "caf\xc3\xa9\x00" || e.Owner != "Zoë" || e.Revision != 0xfedcba9876543210 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := s.Load(t.Context(), "nobodys"); err != nil || len(e.Data) != 0 || e.Owner != "" || e.Revision != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	_, err = s.Load(t.Context(), "expired")
	want(t, "expired", err, store.ErrNotFound)
	if n, err := s.Count(t.Context()); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := s.Update(t.Context(), "Kept_by-the.first", e.Record, hour, e.Revision); err != nil {
		t.Error(err)
	}
	want(t, "touch", s.Touch(t.Context(), "Kept_by-the.first", hour), nil)
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE color='blue' AND id='s:Kept_by-the.first'`, nil)); n != 1 {
		t.Error("what a later version has added is gone")
	}
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE id LIKE 'x:#12:%'`, nil)); n != 0 {
		t.Errorf("%d graves of the first version are left", n)
	}
	if n, err := s.DeleteOwner(t.Context(), "Zoë"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
