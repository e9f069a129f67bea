package conformance

import (
	"bytes"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const hour = time.Hour

func load1(t *T) {
	f := t.subject()
	id, other := t.newID(), t.newID()
	r := t.record("owner-1")
	f.create(other, r, hour)
	v := f.create(id, store.Record{Data: t.text(64), Owner: "owner-1"}, hour)
	// Longer, and much shorter: what is written over must not show at the end.
	for _, w := range []store.Record{{Data: t.text(100)}, {Data: t.text(10), Owner: "owner-2"}, {Data: t.text(40), Owner: "owner-2"}} {
		v = f.update(id, w, hour, v)
		f.holds("after Update", id, w, v)
		f.owned("after Update", id, w.Owner)
	}
	f.holds("another session, after Updates of this one", other, r, 0)
	f.owned("after Create", other, r.Owner)
	fresh := t.newID()
	v = f.create(fresh, r, hour)
	f.holds("after Create", fresh, r, v)
}

func load2(t *T) {
	f := t.subject()
	id := t.newID()
	f.missing("Load from an empty store", id)
	f.create(id, t.record(""), hour)
	f.missing("Load of another id", t.newID())
	f.missing("Load of the beginning of an id that is there", id[:len(id)-1])
	f.missing("Load of an id that goes on where one that is there ends", id+"a")
}

func load3(t *T) {
	f := t.subject()
	for _, data := range [][]byte{nil, {}} {
		id := t.newID()
		v := f.create(id, store.Record{Data: data}, hour)
		f.holds("after Create without data", id, store.Record{}, v)
		f.touch(id, 2*hour)
		f.holds("after Create without data and Touch", id, store.Record{}, 0)
		v = f.update(id, t.record("o"), hour, f.load(id).Revision)
		v = f.update(id, store.Record{Data: data, Owner: "o"}, hour, v)
		f.holds("after Update without data", id, store.Record{Owner: "o"}, v)
	}
}

func load4(t *T) {
	f := t.subject()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	write := func(what string, data []byte) {
		if f.MaxData > 0 && len(data) > f.MaxData {
			t.note(fmt.Sprintf("%s: the store's limit is %d", what, f.MaxData))
			return
		}
		r := store.Record{Data: data}
		id := t.newID()
		f.holds(what+", created", id, r, f.create(id, r, hour))
		id = t.newID()
		v := f.update(id, r, hour, f.create(id, plain(""), hour))
		f.holds(what+", updated", id, r, v)
	}
	for _, n := range []int{0, 1, 4 << 10, 64 << 10, 1 << 20} {
		data := t.noise(n)
		copy(data, all)
		if n > len(all) {
			copy(data[n-len(all):], all)
		}
		write(fmt.Sprintf("%d bytes", n), data)
	}
	// What is trimmed, translated or taken for something else on the way.
	for what, s := range map[string]string{
		"a newline at the end": "a\n", "spaces around": "  a ", "zeros at the end": "a\x00\x00", "a zero in between": "a\x00b",
		"line ends": "a\r\nb\nc\rd", "JSON": `{"a":1}`, "a quoted string": `"a"`, "hex": `\x6162`, "a number": "0010", "not UTF-8": "a\xff\xfe\xc3(",
	} {
		write(what, []byte(s))
	}
}

func load5(t *T) {
	f := t.subject()
	id := t.newID()
	// write has the store take r from a slice with room behind it, as append
	// leaves one, and then spoils all of the slice.
	write := func(verb string, call func(r store.Record)) {
		r := t.record("o")
		room := append(bytes.Clone(r.Data), t.text(64)...)
		passed := room[:len(r.Data)]
		call(store.Record{Data: passed, Owner: r.Owner})
		if !bytes.Equal(passed, r.Data) {
			t.Errorf("%s changed the slice that was passed to it", verb)
		}
		clear(room)
		f.holds("the slice passed to "+verb+" was changed afterwards", id, r, 0)
	}
	var v store.Revision
	write("Create", func(r store.Record) { v = f.create(id, r, hour) })
	write("Update", func(r store.Record) { f.update(id, r, hour, v) })
}

func load6(t *T) {
	f := t.subject()
	ids := t.newIDs(3)
	recs := make([]store.Record, len(ids))
	revs := make([]store.Revision, len(ids))
	loaded := make([]store.Entry, len(ids))
	for i, id := range ids {
		recs[i] = t.record("o")
		revs[i] = f.create(id, recs[i], hour)
		loaded[i] = f.load(id)
	}
	listed := map[string]store.Entry{}
	for l, err := range store.List(t.ctx, f.s, store.Query{Data: true}) {
		if err != nil {
			break // no listing, or a failing one: other checks see to that
		}
		listed[l.ID] = l.Entry
	}
	still := func(when string) {
		for i, id := range ids {
			f.same("what Load returned, after "+when, loaded[i], recs[i], 0)
			if l := listed[id]; len(l.Data) > 0 { // OWNER-1 wants it to be there
				f.same("what List returned, after "+when, l, recs[i], 0)
			}
		}
	}
	still("more was read")
	id, r := ids[0], t.record("o") // as long as what is there: it may be written over it
	f.update(id, r, hour, revs[0])
	again := f.load(id)
	still("an Update")
	f.update(id, store.Record{Data: t.text(20), Owner: "o"}, hour, again.Revision)
	_ = f.Touch(id, 2*hour)
	f.delete(id)
	_, _ = f.Create(id, t.record("o"), hour)
	still("Update, Delete, Create and Touch")
	f.same("what Load returned after an Update, after later writes", again, r, 0)
}
