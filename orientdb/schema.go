package orientdb

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// Schema is the class that [Store.Migrate] makes, under its default name. See the package's
// doc for what is in it.
//
// To the next administrator: there is no index on exp, and none must be made, since each
// touch would write into it. due is the minute of exp, and moves less often.
const Schema = "CREATE CLASS `sessions` IF NOT EXISTS;\n" +
	"CREATE PROPERTY `sessions`.`id` IF NOT EXISTS STRING;\n" +
	"CREATE PROPERTY `sessions`.`data` IF NOT EXISTS BINARY;\n" +
	"CREATE PROPERTY `sessions`.`owner` IF NOT EXISTS STRING;\n" +
	"CREATE PROPERTY `sessions`.`rev` IF NOT EXISTS LONG;\n" +
	"CREATE PROPERTY `sessions`.`exp` IF NOT EXISTS LONG;\n" +
	"CREATE PROPERTY `sessions`.`due` IF NOT EXISTS LONG;\n" +
	"CREATE INDEX `sessions.id` IF NOT EXISTS ON `sessions` (id) UNIQUE_HASH_INDEX;\n" +
	"CREATE INDEX `sessions.due` IF NOT EXISTS ON `sessions` (due) NOTUNIQUE;\n" +
	"CREATE INDEX `sessions.owner` IF NOT EXISTS ON `sessions` (owner) NOTUNIQUE METADATA {ignoreNullValues: true};\n" +
	"ALTER CLASS `sessions` CUSTOM sojourn='schema 1'"

// properties are those of the class, with the numbers of their types: STRING, BINARY, LONG.
var properties = map[string]int{"id": 7, "data": 8, "owner": 7, "rev": 3, "exp": 3, "due": 3}

// newest is the number of the schema that this package makes.
const newest = 1

// names are where the class is, and what it is called.
type names struct {
	base            *url.URL
	database, class string
}

var (
	className    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
	databaseName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)
)

// taken are names of classes of the server, and of files of its own: a class of such a name
// is made in that file, and half of what is written there is not found again.
var taken = []string{"v", "e", "internal", "index", "manindex"}

// errAddress does not repeat the address: a password may stand in it.
var errAddress = fmt.Errorf("%w: the URL of the server is like http://127.0.0.1:2480, without user, password and parameters", store.ErrInvalid)

func checkNames(db *Database, class string) (names, error) {
	if db == nil {
		return names{}, fmt.Errorf("%w: no database is given", store.ErrInvalid)
	}
	base, err := url.Parse(db.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return names{}, errAddress
	}
	if !databaseName.MatchString(db.Name) {
		return names{}, fmt.Errorf("%w: a database's name is letters, digits, _ and -, 64 at most; %q is not", store.ErrInvalid, db.Name)
	}
	if strings.Contains(db.User, ":") || strings.Contains(db.Password, ":") {
		return names{}, fmt.Errorf("%w: the server reads a user's name and password up to a colon: neither can have one", store.ErrInvalid)
	}
	if class == "" {
		class = "sessions"
	}
	if !className.MatchString(class) {
		return names{}, fmt.Errorf("%w: a class's name is a letter and letters, digits and _, 64 at most; %q is not", store.ErrInvalid, class)
	}
	if slices.Contains(taken, strings.ToLower(class)) {
		return names{}, fmt.Errorf("%w: the name %s is the server's own: have the store use another class", store.ErrInvalid, class)
	}
	return names{base, db.Name, class}, nil
}

// url is that of a command on the database.
func (n names) url(command string, more ...string) string {
	return n.base.JoinPath(append([]string{command, n.database}, more...)...).String()
}

func quote(class string) string { return "`" + class + "`" }

// basic is the header of user and password.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// DDL returns the statements of [Schema] with the class that the options name, for those
// who make classes by other means than [Store.Migrate].
func (o *Options) DDL() (string, error) {
	class := ""
	if o != nil {
		class = o.Class
	}
	n, err := checkNames(&Database{URL: "http://localhost", Name: "any"}, class)
	if err != nil {
		return "", fmt.Errorf("orientdb: %w", err)
	}
	return n.in(Schema), nil
}

// in returns the statements with the real name in them.
func (n names) in(sql string) string {
	sql = strings.ReplaceAll(sql, "`sessions`", quote(n.class))
	return strings.ReplaceAll(sql, "`sessions.", "`"+n.class+".")
}

// Migrate makes the class and its indexes, and the database if it is missing and
// [Options.CreateDatabase] is set. To what is up to date it does nothing. It may be called
// at any time, and by several processes at once.
//
// A class of that name that this package did not make is an error that wraps
// [store.ErrInvalid], and so is one that a newer version of it made.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("migrate", err)
	}
	made, err := s.look(ctx)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusUnauthorized && s.opts.CreateDatabase {
		if err := s.run(ctx, makes, func(ctx context.Context, _ bool) error { return s.createDatabase(ctx) }); err != nil {
			return s.fail("migrate", err)
		}
		made, err = s.look(ctx)
	}
	if err != nil || made {
		return s.fail("migrate", err)
	}
	return s.fail("migrate", s.run(ctx, makes, func(ctx context.Context, _ bool) error {
		for sql := range strings.SplitSeq(s.names.in(s.doc.schema), ";\n") {
			if _, err := s.ask(ctx, prepare(sql).with().body()); err != nil {
				return err
			}
		}
		return nil
	}))
}

// makes is what others may be at too, and is waited for.
var makes = call.Kind{Patience: 30, Ends: true}

func (s *Store) createDatabase(ctx context.Context) error {
	_, err := s.post(ctx, s.names.url("database", "plocal"), nil)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusConflict {
		return nil // it exists
	}
	return err
}

// look reports whether the class is there and complete. What has begun to be made is ours
// to complete while nothing is in it.
func (s *Store) look(ctx context.Context) (made bool, err error) {
	err = s.run(ctx, reads, func(ctx context.Context, _ bool) (err error) {
		made, err = s.suits(ctx)
		return err
	})
	return made, err
}

func (s *Store) suits(ctx context.Context) (made bool, err error) {
	has, err := s.described(ctx)
	if err != nil || has == nil {
		return false, err
	}
	foreign := func(why string, args ...any) (bool, error) {
		return false, fmt.Errorf("%w: there is a class %s that this package did not make (%s): have the store use another one", store.ErrInvalid, s.names.class, fmt.Sprintf(why, args...))
	}
	if has.Mark != "" {
		number, ours := strings.CutPrefix(has.Mark, "schema ")
		switch version, err := strconv.Atoi(number); {
		case !ours || err != nil:
			return foreign("its custom attribute sojourn is none of ours")
		case version > newest:
			return false, fmt.Errorf("%w: the class %s has schema %d, which a newer version of this package made; this one knows %d", store.ErrInvalid, s.names.class, version, newest)
		}
		return s.indexed(ctx)
	}
	if has.Abstract {
		return foreign("it is abstract")
	}
	for i, name := range has.Properties {
		if i >= len(has.Types) || properties[name] != has.Types[i] {
			return foreign("it has a property %q", name)
		}
	}
	n, err := s.count(ctx, prepare("SELECT count(*) AS n FROM "+quote(s.names.class)).with().body())
	if err != nil || n == 0 {
		return false, err
	}
	// Somebody may have completed it since, and begun to use it.
	if has, err = s.described(ctx); err != nil || has != nil && has.Mark != "" {
		return err == nil, err
	}
	return foreign("there are records in it")
}

// class is what the server says of the class.
type class struct {
	Mark       string   `json:"mark"`
	Properties []string `json:"properties"`
	Types      []int    `json:"types"`
	Abstract   bool     `json:"abstract"`
}

// described is nil if there is no such class. To the server the case of its name does not matter.
func (s *Store) described(ctx context.Context) (*class, error) {
	const sql = "SELECT customFields['sojourn'] AS mark, properties.name AS properties, properties.type AS types, `abstract` " +
		"FROM (SELECT expand(classes) FROM metadata:schema) WHERE name.toLowerCase()=:class"
	answer, err := s.post(ctx, s.commands, prepare(sql).with().text("class", strings.ToLower(s.names.class)).body())
	if err != nil {
		return nil, err
	}
	found, err := lines[class](answer)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// indexed reports whether the class has its indexes. Without that of the ids, which somebody
// may have dropped, every create would succeed.
func (s *Store) indexed(ctx context.Context) (bool, error) {
	const sql = `SELECT count(*) AS n FROM (SELECT expand(indexes) FROM metadata:indexmanager)
WHERE indexDefinition.className.toLowerCase()=:class AND (indexDefinition.field='id' AND type LIKE 'UNIQUE%' OR indexDefinition.field IN ['due', 'owner'])`
	n, err := s.count(ctx, prepare(sql).with().text("class", strings.ToLower(s.names.class)).body())
	return n >= 3, err
}
