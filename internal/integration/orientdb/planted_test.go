package orientdb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/store"
)

// A record whose fields are not what they should be is ErrCorrupt until its end, to every
// verb but Delete, and hinders nobody.
func TestPlantedRecords(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
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
