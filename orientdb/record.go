package orientdb

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// How a session is laid out in its record:
//
//	id     STRING   "s:" and the session's id
//	data   BINARY   null where it is empty
//	owner  STRING   "o:" and the owner; null for nobody's
//	rev    LONG     the bits of the unsigned revision
//	exp    LONG     the end of its life, in milliseconds by the server's clock
//	due    LONG     the minute of exp, by which a sweep finds what has expired
//
// The prefixes are there since the server takes a text like #12:00 for the id of a record
// of its own, and makes it #12:0. An index of exp itself would be written with every touch:
// with 16 at once an update took 6.5 ms in place of 3.6.
//
// A session that ends is not deleted but buried: its id, data and owner are overwritten,
// and exp and due become the negatives of the moment and its minute. For a DELETE … WHERE
// of this server deletes by the record's own id, whatever the record has become since it was
// found: it took away sessions that were created in the place of what it meant. What is
// buried is nobody's any more, and is deleted a minute later.
const (
	sqlLoad = `SELECT id, data, owner, rev, exp, {now} AS now FROM {class} WHERE id=:id`
	sqlLook = `SELECT id, owner, rev, exp, {now} AS now FROM {class} WHERE id=:id`

	// An insert, which can change nothing that is there: neither can its repeat.
	sqlCreate = `INSERT INTO {class} SET id=:id, ` + written + ` RETURN rev`
	sqlUpdate = `UPDATE {class} SET ` + written + ` WHERE id=:id AND rev=:base AND ` + sound
	sqlTouch  = `UPDATE {class} SET ` + life + ` WHERE id=:id AND (rev>0 OR rev<0) AND ` + sound

	written = `data=:data, owner=:owner, rev=:rev, ` + life
	life    = `exp={now}+:life, due=({now}+:life)/60000`

	// sound is what lives and can be read: a write leaves alone what cannot (FAIL-4). A
	// null is neither more nor less than anything.
	sound = `exp>{now} AND (owner IS NULL OR owner.left(2)='o:' AND owner.length()>2)`

	// The condition that an index was asked for is not looked at again in the record that
	// it has found, which may be buried by now: every other one is.
	bury    = `UPDATE {class} SET id=@rid.asString().prefix('x:'), data=null, owner=null, ` + buried + ` WHERE `
	sqlEnd  = bury + `id=:id AND (exp>=0 OR exp IS NULL)`
	sqlFree = bury + `id=:id AND exp>=0 AND exp<={now}` // of what has expired, for a new one
	buried  = `exp=0-{now}, due=(0-{now})/60000`

	// Where a statement meets another's write it ends amid its batch, and does not tell
	// how many it has buried: they are counted by the mark that it left for an owner.
	buryAll  = `UPDATE {class} SET id=@rid.asString().prefix('x:'), data=null, owner=:mark, ` + buried + ` WHERE `
	sqlDue   = buryAll + `due>=0 AND due<={now}/60000 AND exp>=0 AND exp<={now} LIMIT {batch}`
	sqlAll   = buryAll + `due>=0 AND (exp>=0 OR exp IS NULL) LIMIT {batch}`
	sqlBlank = buryAll + `due IS NULL LIMIT {batch}` // which somebody else wrote
	// By append the owner is looked at again, see above.
	sqlOwners = buryAll + `owner=:owner AND owner.append('')=:owner AND exp>{now} LIMIT {batch}`
	sqlMarked = `SELECT count(*) AS n FROM {class} WHERE owner=:mark`

	// In the range of due are those of a minute ago and before, and none of the many that
	// may be younger.
	sqlPurge = `DELETE FROM {class} WHERE due<0 AND due>1-{now}/60000 AND exp<0 AND exp>60000-{now} LIMIT {batch}`

	// The place at which a page begins is in the text: as a parameter it has the server
	// read all records, 396 ms in place of 18.
	sqlPage       = `SELECT {fields} FROM {class} WHERE @rid>{place} ORDER BY @rid LIMIT {page}`
	sqlOwnersPage = `SELECT {fields} FROM {class} WHERE owner=:owner AND @rid>{place} ORDER BY @rid LIMIT {page}`
	fields        = `@rid AS place, id, owner, rev, exp, {now} AS now`
	dataFields    = `data, ` + fields

	sqlCount = `SELECT count(*) AS n FROM {class} WHERE exp>{now}`

	// clock is the server's, in milliseconds, read anew by each execution.
	clock = `sysdate().asLong()`
)

// layout is how a session is laid out: the statements, what they are told, and how their
// answers are read. Another one is another file like this.
type layout struct {
	load, look, create, update, touch, end, free statement // by an id
	count                                        statement

	due, blank, all, owners batched   // bury, and leave a mark
	marked                  statement // counts by a mark
	purge                   batched   // deletes what was buried long enough ago

	// page is what follows a place in the order of the records.
	page func(q store.Query, after place, size int) statement

	revise  func(store.Record) store.Revision // the revision that a write of the record makes
	key     func(p params, id string) params
	session func(p params, rec store.Record, ttl time.Duration, rev store.Revision) params
	base    func(p params, base store.Revision) params
	life    func(p params, ttl time.Duration) params
	owned   func(p params, owner string) params
	decode  func(row) (id string, e store.Entry, err error)

	schema string // the statements that make the class under its default name
}

// batched is a statement that changes at most so many records.
type batched func(size int) statement

// own is the layout of this package, in a class.
func own(class string) *layout {
	fill := func(sql string, more ...string) statement {
		return prepare(strings.NewReplacer(append(more, "{class}", quote(class), "{now}", clock)...).Replace(sql))
	}
	fillBatched := func(sql string) batched {
		return func(size int) statement { return fill(sql, "{batch}", strconv.Itoa(size)) }
	}
	return &layout{
		load: fill(sqlLoad), look: fill(sqlLook),
		create: fill(sqlCreate), update: fill(sqlUpdate), touch: fill(sqlTouch), end: fill(sqlEnd), free: fill(sqlFree),
		count: fill(sqlCount),
		due:   fillBatched(sqlDue), blank: fillBatched(sqlBlank), all: fillBatched(sqlAll), owners: fillBatched(sqlOwners),
		marked: fill(sqlMarked), purge: fillBatched(sqlPurge),
		page: func(q store.Query, after place, size int) statement {
			sql, which := sqlPage, fields
			if q.Owner != "" {
				sql = sqlOwnersPage
			}
			if q.Data {
				which = dataFields
			}
			// The fields first: the clock is in them.
			return fill(strings.Replace(sql, "{fields}", which, 1), "{place}", string(after), "{page}", strconv.Itoa(size))
		},
		revise:  func(store.Record) store.Revision { return store.NewRevision() },
		key:     func(p params, id string) params { return p.text("id", idPrefix, id) },
		session: session,
		base:    func(p params, base store.Revision) params { return p.number("base", int64(base)) },
		life:    func(p params, ttl time.Duration) params { return p.number("life", milliseconds(ttl)) },
		owned:   func(p params, owner string) params { return p.text("owner", ownerPrefix, owner) },
		decode:  decode,
		schema:  Schema,
	}
}

const (
	idPrefix    = "s:"
	ownerPrefix = "o:"
	markPrefix  = "m:"
)

// place is the server's own id of a record, in whose order sessions are listed.
type place string

// begin is before every record.
const begin place = "#-1:-1"

var isPlace = regexp.MustCompile(`^#\d+:\d+$`)

func session(p params, rec store.Record, ttl time.Duration, rev store.Revision) params {
	p = p.bytes("data", rec.Data).number("rev", int64(rev)).number("life", milliseconds(ttl))
	if rec.Owner == "" {
		return p.null("owner")
	}
	return p.text("owner", ownerPrefix, rec.Owner)
}

// milliseconds is a life as it is added to the server's clock. That is cut to the
// millisecond, and a life must not end early for it: so it is rounded up, and one more.
func milliseconds(ttl time.Duration) int64 { return int64(store.RoundUp(ttl, precision)/precision) + 1 }

// precision is that of the server's clock.
const precision = time.Millisecond

// row is a line of an answer, of whatever statement.
type row struct {
	Place place   `json:"place"`
	ID    string  `json:"id"`
	Data  []byte  `json:"data"`
	Owner *string `json:"owner"`
	Rev   int64   `json:"rev"`
	Exp   *int64  `json:"exp"`
	Now   int64   `json:"now"`
	Count *int    `json:"count"` // what a statement has changed
	N     *int    `json:"n"`     // what it has counted
}

// errBuried is a record that was a session.
var errBuried = errors.New("the session was ended meanwhile")

// decode reads a line of load, look and page. What this package could not have written is
// ErrCorrupt, unless it has expired.
func decode(r row) (id string, e store.Entry, err error) {
	id, ours := strings.CutPrefix(r.ID, idPrefix)
	if r.Exp != nil && *r.Exp < 0 {
		return id, store.Entry{}, errBuried
	}
	if r.Exp != nil && *r.Exp <= r.Now {
		return id, store.Entry{}, store.ErrNotFound
	}
	if r.Owner != nil {
		var known bool
		e.Owner, known = strings.CutPrefix(*r.Owner, ownerPrefix)
		ours = ours && known && e.Owner != ""
	}
	if !ours || r.Exp == nil || r.Rev == 0 {
		return id, store.Entry{}, store.ErrCorrupt
	}
	e.Data, e.Revision = r.Data, store.Revision(r.Rev)
	// A deadline may be further away than a Duration can tell.
	e.TTL = time.Duration(min(*r.Exp-r.Now, int64(math.MaxInt64/precision))) * precision
	return id, e, nil
}
