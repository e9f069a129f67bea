package orientdb_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// hostile are texts that mean something to the server, or to what is in between.
var hostile = []string{
	`'`, `"`, "`", `\`, `''`, `\'`, `\"`, `a'b"c` + "`d", `\\`, `a\`,
	`#12:00`, `#12:0`, `#-1:-1`, `#1:1,#2:2`, `x:#14:0`, `[#12:0]`, `@rid`, `@class`, `@this`,
	`\u0022`, `\u0000`, `\x27`, `%22`, `%27`, `%00`, `&quot;`, `+`,
	`:id`, `:owner`, `?`, `$current`, `$parent`, `$`, `${1+1}`, `{now}`, `{class}`,
	`null`, `NULL`, `true`, `false`, `123`, `-1`, `1e3`, `0x10`, `2020-01-01`, `2020-01-01T00:00:00Z`, `sysdate()`, `uuid()`,
	`s:`, `o:`, `m:`, `x:`, `s:s:`, `o:o:a`, `id`, `owner`, `data`, `*`, `%`, `_`, `.`, `..`, `/`,
	`'/*`, `*/`, `--`, `//`, `'--`, `';`, `;`, `');DROP/**/CLASS/**/OUser`, `');DROP CLASS sessions UNSAFE;--`, `'OR'1'='1`, `' OR id LIKE '%`,
	`{"@type":"d"}`, `{}`, `[]`, `{"a":"b"}`, `<script>`, `a:b,c:d`,
	" a", "a ", "a  b", "Zoë", "Zoe\u0308", "ZOË", "zoë", "ﬁ", "ß", "SS", "ı", "İ", "a\u00a0b", "a\u00adb", "a\ufeff",
	"\u2028", "a\u2029b", "\u202eabc", "\u0627\u0644", "שלום", "e\u0301\u0302\u0303", "日本語", "😀", "👩\u200d👩\u200d👧", "\U0010ffff", "\ufffd", "\uffff", "𝒳",
	strings.Repeat("a", 255), strings.Repeat("'", 255), strings.Repeat(`\`, 255), strings.Repeat("é", 127), strings.Repeat("😀", 63),
}

// SEC-24: a text of the caller's is a text, as an id, as an owner and as data, in every verb.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	create(t, s, "bystander", "kept")
	ids := make(map[string]string) // of each owner
	for i, text := range hostile {
		id := text
		if store.CheckID(id) != nil {
			id = fmt.Sprint("n", i)
		}
		if ids[text] != "" {
			t.Fatalf("%q is there twice", text)
		}
		ids[text] = id
		// Nobody is found by it, though there are those before it.
		if e, err := s.Load(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s loads %+v, %v", text, e, err)
		}
		want(t, text, s.Touch(t.Context(), id, hour), store.ErrNotFound)
		_, err := s.Update(t.Context(), id, store.Record{}, hour, 1)
		want(t, text, err, store.ErrNotFound)
		want(t, text, s.Delete(t.Context(), id), nil)
		if n, err := s.DeleteOwner(t.Context(), text); n != 0 || err != nil {
			t.Errorf("DeleteOwner(%s) ends %d, %v", text, n, err)
		}
		// And it comes back as it is.
		rec := store.Record{Data: []byte(text), Owner: text}
		v, err := s.Create(t.Context(), id, rec, hour)
		if err != nil {
			t.Errorf("create %s: %v", text, err)
			continue
		}
		if v, err = s.Update(t.Context(), id, rec, hour, v); err != nil {
			t.Errorf("update %s: %v", text, err)
		}
		want(t, text, s.Touch(t.Context(), id, 2*hour), nil)
		if e, err := s.Load(t.Context(), id); err != nil || string(e.Data) != text || e.Owner != text || e.Revision != v {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	if n, err := s.Count(t.Context()); n != len(hostile)+1 || err != nil {
		t.Errorf("%d sessions, %v; want %d", n, err, len(hostile)+1)
	}
	listed := 0
	for l, err := range s.List(t.Context(), store.Query{Data: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if l.ID != "bystander" && (string(l.Data) != l.Owner || ids[l.Owner] != l.ID) {
			t.Errorf("lists %+v", l)
		}
		listed++
	}
	if listed != len(hostile)+1 {
		t.Errorf("%d are listed", listed)
	}
	for text, id := range ids {
		n := 0
		for l, err := range s.List(t.Context(), store.Query{Owner: text}) {
			if n++; err != nil || l.ID != id || l.Owner != text {
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
	if e, err := s.Load(t.Context(), "bystander"); err != nil || string(e.Data) != "kept" {
		t.Errorf("%+v, %v", e, err)
	}
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE exp>=0`, nil)); n != 1 {
		t.Errorf("%d records are left, want 1", n)
	}
}

// As a name it is refused, before anything is sent.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	asked := httptest.NewServer(nothing(t))
	defer asked.Close()
	for _, text := range append([]string{"a\x00b", "a\nb", "a b", "1a", "a-b", "a.b", "é", "a/b", "a?b", strings.Repeat("a", 65)}, hostile...) {
		o := orientdb.Options{Class: text}
		_, err := orientdb.New(&orientdb.Database{URL: asked.URL, Name: "d"}, &o)
		if harmless(text) {
			continue
		}
		want(t, fmt.Sprintf("the class %q", text), err, store.ErrInvalid)
		_, err = o.DDL()
		want(t, fmt.Sprintf("the class %q", text), err, store.ErrInvalid)
		if len(text) <= 64 && strings.Trim(text, letters+"-0123456789") == "" && text[0] != '-' {
			continue // a name of a database, though not of a class
		}
		_, err = orientdb.New(&orientdb.Database{URL: asked.URL, Name: text}, nil)
		want(t, fmt.Sprintf("the database %q", text), err, store.ErrInvalid)
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

// harmless are those that are letters, and so good names.
func harmless(text string) bool {
	return len(text) <= 64 && strings.Trim(text, letters) == "" && text[0] != '_'
}

// addUser makes a user of the database, who is gone after the test.
func (x *class) addUser(tb testing.TB, name, password, role string) {
	tb.Helper()
	x.sql(tb, `INSERT INTO OUser SET name=:name, password=:password, status='ACTIVE', roles=(SELECT FROM ORole WHERE name=:role)`,
		map[string]any{"name": name, "password": password, "role": role})
	tb.Cleanup(func() {
		_, err := orientdbtest.SQL(context.Background(), x.db, `DELETE FROM OUser WHERE name=:name`, map[string]any{"name": name})
		if err != nil {
			tb.Error(err)
		}
	})
}

// A user and a password of whatever characters can log in, but for colons, by which the
// server divides what it is sent.
func TestHostilePasswords(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	for i, password := range []string{`'"` + "`" + `\`, `p@ss/w?rd#%&=+ ;`, ` Zoë😀` + "\u2028", `%22\u0022{"a"}`} {
		user := fmt.Sprintf("%s_%d'\"`é", x.opts.Class, i)
		x.addUser(t, user, password, "writer")
		theirs := *x
		theirs.db.User, theirs.db.Password = user, password
		if err := theirs.open(t, nil).Ping(t.Context()); err != nil {
			t.Errorf("%q: %v", password, err)
		}
		u := url.URL{Scheme: "orientdb", User: url.UserPassword(user, password), Host: strings.TrimPrefix(x.db.URL, "http://"), Path: x.db.Name}
		s, err := store.Open(t.Context(), storeURL(u.String(), x.opts.Class), orientdb.Opener)
		if err != nil {
			t.Errorf("%s: %v", u.String(), err)
			continue
		}
		_ = store.Close(s)
	}
	// One with a colon must not do as well as what is before it.
	x.addUser(t, x.opts.Class, "secret", "writer")
	colon := x.db
	colon.User, colon.Password = x.opts.Class, "secret:more"
	s, err := orientdb.New(&colon, &x.opts)
	if err == nil {
		err = s.Ping(t.Context())
		_ = s.Close()
	}
	if err == nil {
		t.Error("a password with a colon does, of which the user's own is the part before it")
	}
}

// says fails the test unless err is none of what is told of a session, and says this.
func says(tb testing.TB, what string, err error, text string) {
	tb.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		tb.Errorf("%s: got %v, want an error that says %q", what, err, text)
	}
	for _, kind := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict} {
		if errors.Is(err, kind) {
			tb.Errorf("%s: got %v", what, err)
		}
	}
}

// ID-3, SEC-24: whatever the server says of what it was sent, no error says it.
func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	const id, owner, data, password = `secret"id`, `Öwner'secret`, `Secret\data`, `pass'wörd`
	secrets := []string{id, owner, data, password, "s:" + id, "o:" + owner}
	provoke := func(t *testing.T, x *class, sql ...string) map[string]error {
		s := x.open(t, nil)
		v, err := s.Create(t.Context(), id, store.Record{Owner: owner, Data: []byte(data)}, hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range sql {
			x.sql(t, q, nil)
		}
		rec := store.Record{Owner: owner, Data: []byte(data)}
		_, again := s.Create(t.Context(), id, rec, hour)
		_, created := s.Create(t.Context(), id+"2", rec, hour)
		_, updated := s.Update(t.Context(), id, rec, hour, v)
		_, stale := s.Update(t.Context(), id, rec, hour, v+1)
		_, loaded := s.Load(t.Context(), id)
		_, missing := s.Load(t.Context(), id+"3")
		_, ended := s.DeleteOwner(t.Context(), owner)
		errs := map[string]error{
			"create again": again, "create": created, "update": updated, "stale update": stale, "load": loaded, "load of nothing": missing, "delete owner": ended,
			"touch": s.Touch(t.Context(), id, hour), "delete": s.Delete(t.Context(), id),
		}
		for _, err := range s.List(t.Context(), store.Query{Owner: owner}) {
			errs["list"] = err
		}
		return errs
	}
	for what, c := range map[string]struct {
		sql   []string
		fails []string // some of those that must have failed, for the error to be looked at
	}{
		"nothing":         {nil, []string{"create again", "load of nothing", "stale update"}},
		"class missing":   {[]string{"DROP CLASS {class} UNSAFE"}, []string{"create", "update", "load", "touch", "delete", "delete owner", "list"}},
		"rule of length":  {[]string{"ALTER PROPERTY {class}.owner MAX 3"}, []string{"create", "update", "touch"}},
		"rule of a text":  {[]string{"ALTER PROPERTY {class}.owner REGEXP '[a-z]*'"}, []string{"create", "update", "touch"}},
		"mandatory":       {[]string{"CREATE PROPERTY {class}.color STRING (MANDATORY TRUE)"}, []string{"create"}},
		"another unique":  {[]string{"CREATE INDEX {class} ON {class} (owner) UNIQUE"}, []string{"create"}},
		"cannot be read":  {[]string{"UPDATE {class} SET owner='" + strings.ReplaceAll(owner, "'", `\'`) + "'"}, []string{"create again", "update", "load", "touch"}},
		"property of map": {[]string{"DROP PROPERTY {class}.rev FORCE", "UPDATE {class} SET rev={'a':1}"}, []string{"load"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			x := newClass(t, shared.URL(t))
			errs := provoke(t, x, c.sql...)
			for verb, err := range errs {
				tellsNothing(t, verb, err, secrets)
			}
			for _, verb := range c.fails {
				if errs[verb] == nil {
					t.Errorf("%s: no error", verb)
				}
			}
		})
	}
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		x := newClass(t, shared.URL(t))
		x.db.User, x.db.Password = owner, password
		s := x.open(t, nil)
		for verb, call := range verbs.All(s, 1) {
			if !full() && verb != "load" && verb != "create" && verb != "list owner" && verb != "count" {
				continue // the server takes its time for a wrong password
			}
			err := call(t.Context())
			says(t, verb, err, "password")
			tellsNothing(t, verb, err, secrets)
		}
		host := strings.TrimPrefix(x.db.URL, "http://")
		for _, u := range []string{
			"orientdb://" + url.UserPassword(owner, password).String() + "@" + host + "/" + x.db.Name, "orientdb://" + owner + ":" + password + "@" + host + "/%zz",
			"orientdb://" + owner + ":" + password + "%@" + host + "/" + x.db.Name, "orientdb://" + url.UserPassword(owner, password).String() + "@" + host + "/",
			"orientdb://" + url.UserPassword(owner, password).String() + "@" + host + "/" + x.db.Name + "?class=" + url.QueryEscape(`'`),
		} {
			_, err := store.Open(t.Context(), u, orientdb.Opener)
			if err == nil {
				t.Error("it is opened")
			}
			tellsNothing(t, "open", err, secrets)
		}
	})
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		x := newClass(t, shared.URL(t))
		x.opts.MaxData = 5
		_, err := x.open(t, nil).Create(t.Context(), id, store.Record{Owner: owner, Data: []byte(data)}, hour)
		want(t, "create", err, store.ErrTooLarge)
		tellsNothing(t, "create", err, secrets)
	})
}

// tellsNothing fails the test if the text of err has one of these in it, however written.
func tellsNothing(tb testing.TB, what string, err error, secrets []string) {
	tb.Helper()
	if err == nil {
		return
	}
	text := strings.ToLower(err.Error())
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		for _, form := range []string{
			s, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", s), `"`), strings.Trim(fmt.Sprintf("%+q", s), `"`),
			url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)),
			base64.RawStdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)), fmt.Sprint([]byte(s)),
		} {
			if strings.Contains(text, strings.ToLower(form)) {
				tb.Errorf("%s: the error tells %q: %v", what, s, err)
			}
		}
	}
}
