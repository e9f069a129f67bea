package orientdb_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// A URL that cannot be meant is refused before anything is asked, and no password is in the
// error.
func TestURLsThatAreRefused(t *testing.T) {
	for rawURL, says := range map[string]string{
		"orientdb://localhost/app":                            "reads orientdb://user:password@host",
		"orientdb:app":                                        "reads orientdb://",
		"orientdb://u:a-password@/app":                        "reads orientdb://",
		"orientdb://u:a-password@host":                        "names no database",
		"orientdb://u:a-password@host/":                       "names no database",
		"orientdb://u:a-password@host/a/b":                    "a database's name",
		"orientdb://u:p@a-pass/word@host/app":                 "reads orientdb://",
		"orientdb://u:p@a-pass?word@host/app":                 "reads orientdb://",
		"orientdb://u:a-password@host/a%2fb":                  "a database's name",
		"orientdb://u:a-password@host/app?class=":             "names no class",
		"orientdb://u:a-password@host/app?class=a%60b":        "a class's name",
		"orientdb://u:a-password@host/app?class=1a":           "a class's name",
		"orientdb://u:a-password@host/app?class=V":            "the server's own",
		"orientdb://u:a-password@host/app?timeout=2":          "wants a duration",
		"orientdb://u:a-password@host/app?sweep_every=x":      "wants a duration",
		"orientdb://u:a-password@host/app?max_data=1.5":       "wants a whole number",
		"orientdb://u:a-password@host/app?migrate=maybe":      "wants true or false",
		"orientdb://u:a-password@host/app?create_database=9":  "wants true or false",
		"orientdb://u:a-password@host/app?collection=x":       `unknown parameter "collection"`,
		"orientdb://u:a-password@host/app?class=a&class=b":    "more than once",
		"orientdb://u:a-password@host/app?%zz":                "cannot be parsed",
		"orientdb://u:a-password@host/app#x":                  "reads orientdb://",
		"orientdb://u:a-pass word@host/app":                   "reads orientdb://",
		"orientdb://u:a-password#x@host/app":                  "reads orientdb://",
		"orientdb://u:a-password@host:port/app":               "reads orientdb://",
		"orientdb://u%3Av:a-password@host:2480/app?class=abc": "a colon",
	} {
		_, err := store.Open(t.Context(), rawURL, orientdb.Opener)
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "a-pass") {
			t.Errorf("%s: %v, want it to say %q", rawURL, err, says)
		}
	}
}

// What New is given may be wrong likewise.
func TestDatabasesThatAreRefused(t *testing.T) {
	for _, db := range []*orientdb.Database{
		nil,
		{},
		{URL: "localhost:2480", Name: "app"},
		{URL: "ftp://localhost", Name: "app"},
		{URL: "http://u:a-password@localhost", Name: "app"},
		{URL: "http://localhost?a=b", Name: "app"},
		{URL: "http://localhost", Name: ""},
		{URL: "http://localhost", Name: "a/b"},
		{URL: "http://localhost", Name: ".."},
		{URL: "http://localhost", Name: "app", User: "a:b"},
		{URL: "http://localhost", Name: "app", User: "a", Password: "a-password:b"},
	} {
		if _, err := orientdb.New(db, nil); !errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "a-password") {
			t.Errorf("%+v: %v", db, err)
		}
	}
	for _, class := range []string{"a`b", "a b", "9", "a.b", "ä", strings.Repeat("a", 65), "v", "E", "Index", "internal", "manIndex"} {
		if _, err := (&orientdb.Options{Class: class}).DDL(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("the class %q: %v", class, err)
		}
	}
}

// Opening asks whether the class is there, by the user that the URL names.
func TestOpening(t *testing.T) {
	st := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, "[]") })
	u := "orientdb://a%40b:p%2F%3F%23%25@" + strings.TrimPrefix(st.URL, "http://") + "/app?class=other&sweep_every=-1s"
	s, err := store.Open(t.Context(), u+"&migrate=false", orientdb.Opener)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(s)
	asked := st.all()
	if len(asked) != 1 || asked[0].user != "a@b" || asked[0].password != "p/?#%" || !strings.Contains(asked[0].command, "`other`") {
		t.Errorf("%d requests, as %q, %q: %s", len(asked), asked[0].user, asked[0].password, asked[0].command)
	}
}

// The database is made where it is missing and that is wanted, and the class in it.
func TestOpeningMakesTheDatabase(t *testing.T) {
	var there atomic.Bool
	var st *stub
	st = newStub(t, func(n int, w http.ResponseWriter) {
		if st.all()[n].path == "/database/app/plocal" {
			there.Store(true)
		}
		if !there.Load() {
			refuse(w, 401, "401 Unauthorized.")
			return
		}
		rows(w, "[]")
	})
	u := "orientdb://u:p@" + strings.TrimPrefix(st.URL, "http://") + "/app?class=other&sweep_every=-1s"
	if _, err := store.Open(t.Context(), u, orientdb.Opener); err == nil || there.Load() {
		t.Errorf("it is not asked for: %v", err)
	}
	before := len(st.all())
	s, err := store.Open(t.Context(), u+"&create_database=true", orientdb.Opener)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(s)
	ddl, err := (&orientdb.Options{Class: "other"}).DDL()
	if err != nil {
		t.Fatal(err)
	}
	asked := st.all()[before:]
	for asked[0].path != "/database/app/plocal" { // asked for the class
		asked = asked[1:]
	}
	want := strings.Split(ddl, ";\n")
	if len(asked) != len(want)+3 { // the database, the class, and a ping
		t.Fatalf("%d requests", len(asked))
	}
	for i, sql := range want {
		if got := asked[i+2].command; got != sql || strings.Contains(sql, "sessions") {
			t.Errorf("%s, want %s", got, sql)
		}
	}
}

// A path that a proxy has put the server under is kept, and so is an address of IPv6.
func TestAddresses(t *testing.T) {
	st := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, "[]") })
	s, err := orientdb.New(&orientdb.Database{URL: st.URL + "/under/", Name: "app", User: "u"}, &orientdb.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context()); err != nil || st.all()[0].path != "/under/command/app/sql" {
		t.Errorf("%v; %s was asked", err, st.all()[0].path)
	}
	six, err := orientdb.New(&orientdb.Database{URL: "http://[::1]:1", Name: "app", User: "u"}, &orientdb.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	_ = six.Close()
}
