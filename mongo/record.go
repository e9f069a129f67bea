package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sojourn-go/sojourn/store"
)

// How a session is laid out in its document:
//
//	_id       string   the session's id
//	owner     string   left out for nobody's
//	data      binary
//	revision  int64    the bits of the unsigned one
//	deadline  date     to the millisecond, by the server's clock
//
// A write is a pipeline, since only there is the server's clock at hand, and looks there at
// what it would change: a filter that asks for the clock ($expr) is not allowed to an
// upsert, and has some servers read every document. A text that begins with $ would be the
// name of a field in a pipeline, so every text of the caller's is a $literal (SEC-24).
const (
	fieldID       = "_id"
	fieldOwner    = "owner"
	fieldData     = "data"
	fieldRevision = "revision"
	fieldDeadline = "deadline"
	fieldNow      = "now" // the server's clock, added to what is read
)

// layout is how a session is laid out: what makes the documents of a collection, and reads
// them. Another one is another file like this.
type layout struct {
	id, owner, deadline string // fields by which documents are found

	// The pipelines of the writes. What a write must not change it leaves as it is: the
	// server counts that as matched, and not as modified.
	created func(id string, rec store.Record, ttl time.Duration, rev store.Revision) bson.A
	updated func(rec store.Record, ttl time.Duration, rev, base store.Revision) bson.A
	touched func(ttl time.Duration) bson.A

	// The stages that have the server add to a document what decode needs, and decode.
	withData, withoutData bson.Raw
	decode                func(doc bson.Raw, data bool) (id string, e store.Entry, err error)
}

// own is the layout of this package.
var own = layout{
	id: fieldID, owner: fieldOwner, deadline: fieldDeadline,
	created: created, updated: updated, touched: touched,
	withData: withData, withoutData: withoutData, decode: decode,
}

// now is the server's clock.
const now = "$$NOW"

// is is an expression.
func is(operator string, args ...any) bson.D { return bson.D{{Key: operator, Value: bson.A(args)}} }

// encoded is an expression that is the same each time, as it is sent.
func encoded(d bson.D) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		panic(err) // never: they are all below
	}
	return raw
}

func typeOf(field string) bson.D { return bson.D{{Key: "$type", Value: "$" + field}} }

var (
	// live is what has not expired.
	live = encoded(is("$gt", "$"+fieldDeadline, now))

	// readable is data that can be read: nothing is written over any other (FAIL-4).
	readable = encoded(is("$eq", typeOf(fieldData), "binData"))

	// over is what has. What has no deadline that could pass has not: nobody can read it.
	over = encoded(is("$and", is("$lte", "$"+fieldDeadline, now), is("$eq", typeOf(fieldDeadline), "date")))

	// sound is what lives and can be one of ours: a touch must not lengthen the life of
	// what nobody can read (FAIL-4).
	sound = encoded(is("$and", live,
		is("$eq", typeOf(fieldDeadline), "date"),
		is("$eq", typeOf(fieldRevision), "long"),
		readable,
		is("$in", typeOf(fieldOwner), bson.A{"string", "missing"})))

	// nobodys is what is there, without its owner.
	nobodys = encoded(bson.D{{Key: "$setField", Value: bson.D{
		{Key: "field", Value: fieldOwner}, {Key: "input", Value: "$$ROOT"}, {Key: "value", Value: "$$REMOVE"},
	}}})

	// withData and withoutData are the stages that have the server add what [decode]
	// needs: its clock, and where the data is not wanted, its type in place of it.
	withData    = encoded(bson.D{{Key: "$set", Value: bson.D{{Key: fieldNow, Value: now}}}})
	withoutData = encoded(bson.D{{Key: "$set", Value: bson.D{{Key: fieldNow, Value: now}, {Key: fieldData, Value: typeOf(fieldData)}}}})
)

func literal(text string) bson.D { return bson.D{{Key: "$literal", Value: text}} }

// end is ttl from now. The clock is cut to the millisecond, and a life must not end early
// for it: so it is rounded up, and one more.
func end(ttl time.Duration) bson.D {
	ms := int64((ttl-1)/time.Millisecond) + 2
	return bson.D{{Key: "$dateAdd", Value: bson.D{
		{Key: "startDate", Value: now}, {Key: "unit", Value: "millisecond"}, {Key: "amount", Value: ms},
	}}}
}

// written are the fields of a session, as a pipeline makes them; nobody's has no owner.
func written(rec store.Record, ttl time.Duration, rev store.Revision) bson.D {
	fields := bson.D{
		{Key: fieldData, Value: bson.Binary{Data: rec.Data}},
		{Key: fieldRevision, Value: int64(rev)},
		{Key: fieldDeadline, Value: end(ttl)},
	}
	if rec.Owner != "" {
		fields = append(fields, bson.E{Key: fieldOwner, Value: literal(rec.Owner)})
	}
	return fields
}

// created is the pipeline that makes this session of nothing, or of what has expired. To
// the pipeline nothing is a document with an _id alone.
func created(id string, rec store.Record, ttl time.Duration, rev store.Revision) bson.A {
	key := bson.E{Key: fieldID, Value: literal(id)}
	free := is("$or", is("$eq", "$$ROOT", bson.D{key}), over)
	return where(free, append(bson.D{key}, written(rec, ttl, rev)...))
}

// updated is the pipeline that makes this session of the revision base. Fields that a later
// version of this package may have added stay (REL-20).
func updated(rec store.Record, ttl time.Duration, rev, base store.Revision) bson.A {
	var before any = "$$ROOT"
	if rec.Owner == "" {
		before = nobodys
	}
	current := is("$and", is("$eq", "$"+fieldRevision, int64(base)), live, readable)
	return where(current, is("$mergeObjects", before, written(rec, ttl, rev)))
}

// touched is the pipeline of a touch.
func touched(ttl time.Duration) bson.A {
	return bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: fieldDeadline, Value: is("$cond", sound, end(ttl), "$"+fieldDeadline)}}}}}
}

// where puts another in the place of a document that meets the condition.
func where(condition, doc any) bson.A {
	return bson.A{bson.D{{Key: "$replaceWith", Value: is("$cond", condition, doc, "$$ROOT")}}}
}

// decode reads what a stage of those two returns. What is of another type than it was ever
// written in is ErrCorrupt, unless it has expired.
func decode(doc bson.Raw, data bool) (id string, e store.Entry, err error) {
	elements, err := doc.Elements()
	if err != nil {
		return "", store.Entry{}, store.ErrCorrupt
	}
	var deadline, now int64
	var has struct{ id, owner, data, revision, deadline bool }
	has.owner = true // or none
	for _, el := range elements {
		v := el.Value()
		switch el.Key() {
		case fieldID:
			id, has.id = v.StringValueOK()
		case fieldOwner:
			e.Owner, has.owner = v.StringValueOK()
			has.owner = has.owner && e.Owner != "" && store.CheckOwner(e.Owner) == nil
		case fieldData:
			if data {
				_, e.Data, has.data = v.BinaryOK()
			} else {
				typ, _ := v.StringValueOK()
				has.data = typ == "binData"
			}
		case fieldRevision:
			var rev int64
			rev, has.revision = v.Int64OK()
			e.Revision, has.revision = store.Revision(rev), has.revision && rev != 0
		case fieldDeadline:
			deadline, has.deadline = v.DateTimeOK()
		case fieldNow:
			now, _ = v.DateTimeOK()
		}
	}
	if has.deadline && deadline <= now {
		return id, store.Entry{}, store.ErrNotFound
	}
	if !has.id || !has.owner || !has.revision || !has.deadline || !has.data {
		return id, store.Entry{}, store.ErrCorrupt
	}
	e.Data = append([]byte(nil), e.Data...) // a cursor's document is its own
	e.TTL = min(time.Duration(deadline-now), most) * time.Millisecond
	return id, e, nil
}

// most is the longest duration there is, in milliseconds.
const most = time.Duration(1<<63-1) / time.Millisecond
