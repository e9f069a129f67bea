package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func owner1(t *T) {
	f := t.subject()
	first := t.newID()
	owners := []string{"user", "user1", "User", "user ", "u", "us", "user*", "us%", "us_r", "user:1", "{user}", "#12:0", "Zoë", `u"'\`, first, ""}
	ids := map[string][]string{}
	recs := map[string]store.Record{}
	add := func(id, o string) {
		recs[id] = t.record(o)
		f.create(id, recs[id], hour)
		ids[o] = append(ids[o], id)
	}
	add(first, first) // a session that is called as its owner
	for range 3 {
		for _, o := range owners {
			add(t.newID(), o)
		}
	}
	for _, o := range owners[:len(owners)-1] {
		out := f.list(store.Query{Owner: o, Data: true})
		t.only(fmt.Sprintf("List of %q", clip(o)), out, ids[o]...)
		for id, e := range out {
			f.same(fmt.Sprintf("List of %q", clip(o)), e, recs[id], f.load(id).Revision)
			if e.TTL <= 0 || e.TTL > hour+2*f.precision() {
				t.Errorf("List of %q: %v left", clip(o), e.TTL)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.only("List of an owner without sessions", f.list(store.Query{Owner: "nobody here"}))
	if out := f.list(store.Query{}); len(out) != len(recs) {
		t.Errorf("List of all yields %d sessions, want %d", len(out), len(recs))
	}
}

func owner2(t *T) {
	f := t.subject()
	id, stays := t.newID(), t.newID()
	f.create(stays, t.record("a"), hour)
	v := f.create(id, t.record("a"), hour)
	v = f.update(id, t.record("b"), hour, v)
	t.only("List of the old owner", f.list(store.Query{Owner: "a"}), stays)
	t.only("List of the new owner", f.list(store.Query{Owner: "b"}), id)
	v = f.update(id, t.record(""), hour, v)
	t.only("List of the owner that gave it to nobody", f.list(store.Query{Owner: "b"}))
	v = f.update(id, t.record("a"), hour, v)
	t.only("List of the owner that it came to", f.list(store.Query{Owner: "a"}), id, stays)
	f.update(id, t.record("a"), hour, v)
	t.only("List of the owner that it stayed with", f.list(store.Query{Owner: "a"}), id, stays)
}

func owner3(t *T) {
	f := t.subject()
	const many = 620 // more than one batch of any store that works in batches of 500
	ids := t.newIDs(many)
	f.fill(ids, plain("user"), hour)
	came, went, moved := t.newID(), t.newID(), t.newID()
	f.update(came, t.record("user"), hour, f.create(came, t.record(""), hour))
	f.update(moved, t.record("user"), hour, f.create(moved, t.record("other"), hour))
	left := t.record("other")
	f.update(went, left, hour, f.create(went, t.record("user"), hour))
	others := map[string]store.Record{went: left}
	for _, o := range []string{"use", "user1", "USER", "user ", "user*", "user%", "us_r", ""} {
		id := t.newID()
		others[id] = t.record(o)
		f.create(id, others[id], hour)
	}
	// Ids that were the owner's once and are somebody else's now.
	again := t.newID()
	f.create(again, t.record("user"), hour)
	f.delete(again)
	if r := t.record("other"); second(f.Create(again, r, hour)) == nil { // CREATE-3
		others[again] = r
	}
	for _, id := range []string{ids[0], ids[many-1], came} {
		f.load(id) // as a cache would keep it
	}
	if n := f.deleteOwner("user"); n != many+2 {
		t.Errorf("DeleteOwner returned %d, the owner had %d sessions", n, many+2)
	}
	if _, n := f.alive(append(ids, came, moved)); n > 0 {
		t.Errorf("%d of %d sessions are live after DeleteOwner", n, many+2)
	}
	for id, r := range others {
		f.holds(fmt.Sprintf("after DeleteOwner of another owner, %q", r.Owner), id, r, 0)
	}
	if n := f.deleteOwner("user"); n != 0 {
		t.Errorf("DeleteOwner again returned %d", n)
	}
	if !f.ages("an id whose session expired and that is somebody else's now") {
		return
	}
	id, r := t.newID(), t.record("other")
	f.create(id, t.record("user"), hour)
	f.age(2 * hour)
	if second(f.Create(id, r, hour)) != nil {
		return // CREATE-3
	}
	f.deleteOwner("user")
	f.holds("the session that is somebody else's, after DeleteOwner of the owner that its id had before", id, r, 0)
}

func owner4(t *T) {
	f := t.subject()
	const who = "owner-four-whose-sessions-all-end"
	ids := t.newIDs(6)
	for i, id := range ids {
		v := f.create(id, t.record(who), []time.Duration{hour, hour, hour, hour, 9 * hour, hour}[i])
		if i == 4 {
			f.update(id, t.record("somebody else"), 9*hour, v)
		}
	}
	f.delete(ids[0])
	t.only("List after a Delete", f.list(store.Query{Owner: who}), ids[1], ids[2], ids[3], ids[5])
	f.age(2 * hour)
	t.only("List after all expired", f.list(store.Query{Owner: who}))
	// What is created where one of them was does not bring it back.
	rows := 1
	if second(f.Create(ids[1], t.record("somebody else"), 9*hour)) == nil { // CREATE-3
		rows++
	}
	t.only("List after one of the ids came to another owner", f.list(store.Query{Owner: who}))
	_, _ = f.Sweep()
	t.only("List after all expired, and Sweep", f.list(store.Query{Owner: who}))
	if f.Rows == nil {
		t.note("that no record stays behind: no Subject.Rows")
	} else if n, ok := f.rows(rows); !ok {
		t.Errorf("%d records are physically there after all but %d expired and Sweep", n, rows)
	}
	if f.Raw == nil {
		t.note("that the owner's name does not stay behind: no Subject.Raw")
	} else if !f.forgotten(who) {
		t.Errorf("the owner's name is still stored after all its sessions ended and Sweep")
	}
}

// forgotten reports whether what is not in Raw, or not any more after a while,
// where the backend removes what has expired by itself.
func (f *fixture) forgotten(what string) bool {
	ask := func() bool {
		raw, err := f.Raw(f.t.ctx)
		f.must("Subject.Raw", err)
		return !bytes.Contains(raw, []byte(what))
	}
	if f.Expires == "" {
		return ask()
	}
	return f.t.eventually(5*time.Second, ask)
}

func owner5(t *T) {
	f := t.subject()
	nobodys := t.newID()
	f.create(nobodys, t.record(""), hour)
	x := strings.Repeat("x", 254)
	created := 1
	for _, o := range []string{
		"a", "á", "A", "b", x + "x", x + "y", strings.Repeat("é", 127), "a b", " a", "a ", " ", `"`, "'", `\`, "*", "%", "{}", "$", ":", "#1:2",
		"null", "0", "🙂", "\uFFFD", "e", "e\u0301", "\u00e9", "\u200b",
	} {
		id, r := t.newID(), t.record(o)
		v := f.create(id, r, hour)
		created++
		f.holds(fmt.Sprintf("owner %q", clip(o)), id, r, v)
		f.owned(fmt.Sprintf("owner %q", clip(o)), id, o)
		if out, err := f.List(store.Query{Owner: o}); can(err) {
			f.must("List", err)
			t.only(fmt.Sprintf("List of %q", clip(o)), out, id)
		}
		if t.Failed() {
			return
		}
	}
	id, r := t.newID(), t.record("o")
	v := f.create(id, r, hour)
	created++
	for what, o := range map[string]string{
		"256 bytes": x + "xx", "256 bytes in 128 letters": strings.Repeat("é", 128), "NUL": "a\x00", "a newline": "a\n", "a tab": "\ta", "DEL": "a\x7f",
		"a C1 control": "a\u0085", "no UTF-8": "a\xff", "a half character": "\xc3", "a surrogate": "a\xed\xa0\x80",
	} {
		fresh := t.newID()
		_, err := f.Create(fresh, t.record(o), hour)
		t.wantErr("Create for an owner with "+what, err, store.ErrInvalid)
		f.gone("after Create for an owner with "+what, fresh)
		_, err = f.Update(id, t.record(o), hour, v)
		t.wantErr("Update to an owner with "+what, err, store.ErrInvalid)
		f.holds("after Update to an owner with "+what, id, r, v)
		if _, err = f.List(store.Query{Owner: o}); can(err) {
			t.wantErr("List of an owner with "+what, err, store.ErrInvalid)
		}
		if _, err = f.DeleteOwner(o); can(err) {
			t.wantErr("DeleteOwner of an owner with "+what, err, store.ErrInvalid)
		}
	}
	if out, err := f.List(store.Query{}); can(err) && err == nil && len(out) != created {
		t.Errorf(`List of "" yields %d sessions, want all %d`, len(out), created)
	}
	if _, err := f.DeleteOwner(""); can(err) {
		t.wantErr(`DeleteOwner of ""`, err, store.ErrInvalid)
		if _, err := f.Load(nobodys); err != nil {
			t.Errorf(`DeleteOwner of "" removed a session that is nobody's`)
		}
	}
}

func owner6(t *T) {
	f := t.subject()
	if f.LoseIndex == nil {
		t.doesNotApply("no owner index apart from the records (no Subject.LoseIndex)")
	}
	touched, updated := t.newID(), t.newID()
	f.create(touched, t.record("o"), hour)
	v := f.create(updated, t.record("o"), hour)
	f.must("Subject.LoseIndex", f.LoseIndex(t.ctx))
	t.trace.add("-- the owner index is lost")
	f.touch(touched, 2*hour)
	out := f.list(store.Query{Owner: "o"})
	if _, ok := out[touched]; !ok {
		t.Errorf("List after the index was lost and one session touched: the session is missing")
	}
	f.update(updated, t.record("o"), hour, v)
	t.only("List after the other was updated", f.list(store.Query{Owner: "o"}), touched, updated)
	if n := f.deleteOwner("o"); n != 2 {
		t.Errorf("DeleteOwner returned %d, want 2", n)
	}
	f.gone("a healed session after DeleteOwner", touched)
}

func owner7(t *T) {
	f := t.subject()
	for range t.rounds(8, 25) {
		ids := t.newIDs(24)
		t.together(6, func(w int) {
			if w >= 4 {
				for range 3 {
					_, err := f.DeleteOwner("o")
					f.needs(err, "DeleteOwner")
				}
				return
			}
			for i := w; i < len(ids); i += 4 {
				_, _ = f.Create(ids[i], plain("o"), hour) // what fails is not there
			}
		})
		if t.Skipped() {
			return
		}
		out := f.list(store.Query{Owner: "o"})
		live, _ := f.alive(ids)
		for i, id := range ids {
			if _, listed := out[id]; live[i] && !listed {
				t.Errorf("the session %s, created while DeleteOwner ran, is live and not listed", short(id))
				return
			}
		}
		f.deleteOwner("o")
	}
}
