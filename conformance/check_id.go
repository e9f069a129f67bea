package conformance

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func id1(t *T) {
	f := t.subject()
	var ids []string
	for c := byte(0x21); c <= 0x7e; c++ {
		ids = append(ids, string(c))
	}
	x := strings.Repeat("x", 254)
	ids = append(ids, x, x+"x", x+"y", "y"+x, "abc", "ABC", "Abc", "a/b", "a//b", "a/./b", "a/../b", "../b", "./b", "..", "/etc/passwd",
		"a:b", "a::b", "{a}", "{a}b", "a%2Fb", "a%2fb", "%00", "%s", "%", `a"b`, "a'b", "a''b", "a`b", `a\b`, `a\\b`, "$where", `{"$gt":""}`,
		"#12:00", "#12:0", "null", "NULL", "0", "00", "1e3", "1000", "a;b", "a--b", "a*", "a?", "a[b]", "a+b", "a=b", "a&b", "a|b", "a<b>", "CON", "nul.txt",
		"a.", "a.json", ".", "~", "-rf")
	// What is put in the place of a character must not make two of them one.
	for _, c := range "_-.+=~!" {
		ids = append(ids, "a"+string(c)+"b")
	}
	ids = append(ids, "ab", "a_2fb", "a__b", "612f62", "YS9i", "a%20b", "a%5Fb")
	seen := map[string]store.Record{}
	for _, id := range ids {
		if _, twice := seen[id]; twice {
			continue
		}
		r := store.Record{Data: []byte("data of " + id)}
		if _, err := f.Create(id, r, hour); err != nil {
			t.Errorf("Create(%q): %s", clip(id), errText(err))
			continue
		}
		seen[id] = r
	}
	if t.Failed() {
		return
	}
	for id, r := range seen {
		f.holds(fmt.Sprintf("id %q, beside the others", clip(id)), id, r, 0)
	}
	if out, err := f.List(store.Query{}); can(err) {
		f.must("List", err)
		for id := range out {
			if _, ok := seen[id]; !ok {
				t.Errorf("List yields the id %q, that was not created", clip(id))
			}
		}
		if len(out) != len(seen) {
			t.Errorf("List yields %d ids, want %d", len(out), len(seen))
		}
	}
	// An odd id is an id to every verb.
	for _, id := range []string{"*", "%", "a/../b", "{a}b", `a"b`, "a'b", "a''b", `a\b`, "a_b", "..", ".", "$where", "ABC", x + "y"} {
		e, err := f.Load(id)
		f.must(fmt.Sprintf("Load(%q)", clip(id)), err)
		r := store.Record{Data: []byte("more of " + id)}
		_, err = f.Update(id, r, hour, e.Revision)
		f.must(fmt.Sprintf("Update(%q)", clip(id)), err)
		f.must(fmt.Sprintf("Touch(%q)", clip(id)), f.Touch(id, 2*hour))
		f.holds(fmt.Sprintf("id %q, updated", clip(id)), id, r, 0)
		f.must(fmt.Sprintf("Delete(%q)", clip(id)), f.Delete(id))
		delete(seen, id)
	}
	live, n := f.alive(slices.Collect(maps.Keys(seen)))
	if n != len(live) {
		t.Errorf("%d of %d sessions are gone after others were updated, touched and deleted", len(live)-n, len(live))
	}
}

func id2(t *T) {
	f := t.subject()
	bad := map[string]string{
		"no bytes": "", "256 bytes": strings.Repeat("x", 256), "1 MiB": strings.Repeat("x", 1<<20), "a space": "a b", "a space at the end": "a ",
		"NUL": "a\x00b", "a newline": "a\nb", "CR LF": "a\r\nb", "DEL": "a\x7f", "a tab": "a\tb", "beyond ASCII": "é", "a byte over 0x7f": "a\x80", "not UTF-8": "\xff\xfe",
	}
	refused := func() {
		for what, id := range bad {
			_, loaded := f.Load(id)
			_, created := f.Create(id, t.record(""), hour)
			_, updated := f.Update(id, t.record(""), hour, 1)
			for verb, err := range map[string]error{
				"Load": loaded, "Create": created, "Update": updated, "Touch": f.Touch(id, hour), "Delete": f.Delete(id),
			} {
				t.wantErr(verb+" of an id with "+what, err, store.ErrInvalid)
			}
		}
	}
	refused()
	if out, err := f.List(store.Query{}); can(err) && err == nil && len(out) > 0 {
		t.Errorf("%d sessions are there after Creates that were refused", len(out))
	}
	// The same with a backend that is down, so that asking it would be seen.
	undo, ok := f.mayBreak(Fault{Kind: Refuse})
	if !ok {
		t.note("that the backend is not asked: Subject.Break cannot refuse")
		return
	}
	refused()
	undo()
}

func id3(t *T) {
	f := t.subject()
	id, owner, data := "Hq7ZkTmX2vRw-9bLcYdNf5sJgPa3eUi8", "mallory.quux+77@tenant-xyzzy.example", "cart=3;csrf=Zr8Kq1Lw0Vt6;note=Grue"
	r := store.Record{Data: []byte(data), Owner: owner}
	var mu sync.Mutex
	note := func(err error) {
		if err == nil {
			return
		}
		text := fmt.Sprintf("%v\n%+v\n%#v", err, err, err)
		for what, secret := range map[string]string{"id": id, "owner": owner, "data": data} {
			if how := leaks(text, secret); how != "" {
				mu.Lock()
				t.Errorf("the error of a call (%s) holds the %s, %s", class(err), what, how)
				mu.Unlock()
			}
		}
	}
	every := func(c *client, id string) {
		t.together(9, func(i int) {
			switch i {
			case 0:
				note(second(c.s.Load(c.ctx, id)))
			case 1:
				note(second(c.s.Create(c.ctx, id+"5", r, hour)))
			case 2:
				note(second(c.s.Update(c.ctx, id, r, hour, 7)))
			case 3:
				note(c.s.Touch(c.ctx, id, hour))
			case 4:
				note(c.s.Delete(c.ctx, id))
			case 5:
				note(second(store.DeleteOwner(c.ctx, c.s, owner)))
			case 6:
				for _, err := range store.List(c.ctx, c.s, store.Query{Owner: owner}) {
					note(err)
				}
			case 7:
				note(second(store.Count(c.ctx, c.s)))
			case 8:
				note(second(store.Sweep(c.ctx, c.s)))
			}
		})
	}
	f.create(id, r, hour)
	note(second(f.s.Load(t.ctx, id+"9")))
	note(f.s.Touch(t.ctx, id+"9", hour))
	note(second(f.s.Update(t.ctx, id+"9", r, hour, 1)))
	note(second(f.s.Create(t.ctx, id, r, hour)))
	note(second(f.s.Update(t.ctx, id, r, hour, 1)))
	note(second(f.s.Update(t.ctx, id, r, hour, 0)))
	for _, bad := range []string{id + "\x00", strings.Repeat(id, 9), id + " "} {
		note(second(f.s.Load(t.ctx, bad)))
		note(second(f.s.Create(t.ctx, bad, r, hour)))
		note(f.s.Delete(t.ctx, bad))
	}
	for _, bad := range []string{owner + "\n", owner + "\xff", strings.Repeat(owner, 20)} {
		note(second(f.s.Create(t.ctx, id+"2", store.Record{Data: []byte(data), Owner: bad}, hour)))
		note(second(store.DeleteOwner(t.ctx, f.s, bad)))
	}
	note(second(f.s.Create(t.ctx, id+"2", r, -1)))
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	every(f.at(done), id)
	if f.MaxData > 0 {
		note(second(f.s.Create(t.ctx, id+"4", store.Record{Data: []byte(strings.Repeat(data, f.MaxData/len(data)+1)), Owner: owner}, hour)))
	}
	for _, kind := range []FaultKind{Refuse, Reject, Hang} {
		undo, ok := f.mayBreak(Fault{Kind: kind})
		if !ok {
			t.note("errors of a backend that fails: " + string(kind))
			continue
		}
		ctx, cancel := context.WithTimeout(t.ctx, 50*time.Millisecond)
		if kind != Hang {
			ctx = t.ctx
		}
		every(f.at(ctx), id)
		cancel()
		undo()
	}
	if f.Corrupt != nil {
		_ = f.s.Delete(t.ctx, id)
		if _, err := f.s.Create(t.ctx, id, r, hour); err == nil && f.Corrupt(t.ctx, id) == nil {
			note(second(f.s.Load(t.ctx, id)))
			note(f.s.Touch(t.ctx, id, hour))
			note(second(f.s.Update(t.ctx, id, r, hour, 1)))
			every(f.client, id)
		}
	}
	if _, ok := store.As[io.Closer](f.s); ok {
		closeQuietly(f.s)
		every(f.client, id)
	}
}

// class is errText for an error that may hold what must not be shown.
func class(err error) string {
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return "of the driver"
}

// leaks says in which encoding text holds a part of secret, or "". A driver
// shortens what it quotes, so that a part of 9 or 10 bytes is enough.
func leaks(text, secret string) string {
	low := strings.ToLower(text)
	for i := range len(secret) - 10 {
		nine, ten := []byte(secret[i:i+9]), []byte(secret[i:i+10])
		switch {
		case strings.Contains(low, strings.ToLower(string(ten))):
			return "as it is"
		case strings.Contains(low, hex.EncodeToString(ten)):
			return "in hex"
		case strings.Contains(low, fmt.Sprintf("% x", ten)):
			return "in hex, with spaces"
		case strings.Contains(text, base64.StdEncoding.EncodeToString(nine)), strings.Contains(text, base64.URLEncoding.EncodeToString(nine)):
			return "in base64"
		case strings.Contains(text, base32.StdEncoding.EncodeToString(ten)), strings.Contains(text, base32.HexEncoding.EncodeToString(ten)):
			return "in base32"
		case strings.Contains(text, strings.Trim(fmt.Sprint(ten), "[]")):
			return "as numbers"
		case strings.Contains(low, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", ten), "[]byte{"), "}")):
			return "as Go bytes"
		}
	}
	return ""
}
