package conformance

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

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
	seen := map[string]store.Record{}
	for _, id := range ids {
		if _, twice := seen[id]; twice {
			continue
		}
		r := store.Record{Data: []byte("data of " + id)}
		v, err := f.Create(id, r, hour)
		if err != nil {
			t.Errorf("Create(%q): %s", clip(id), errText(err))
			continue
		}
		f.holds(fmt.Sprintf("id %q", clip(id)), id, r, v)
		seen[id] = r
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
}

func id2(t *T) {
	f := t.subject()
	bad := map[string]string{
		"no bytes": "", "256 bytes": strings.Repeat("x", 256), "1 MiB": strings.Repeat("x", 1<<20), "a space": "a b", "a space at the end": "a ",
		"NUL": "a\x00b", "a newline": "a\nb", "CR LF": "a\r\nb", "DEL": "a\x7f", "beyond ASCII": "é", "not UTF-8": "\xff\xfe",
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
	// The same with a backend that is down, so that asking it would be seen. The
	// fault need not strike.
	if f.Break == nil {
		t.note("that the backend is not asked: no Subject.Break")
		return
	}
	undo, err := f.Break(t.ctx, Fault{Kind: Refuse})
	if errors.Is(err, errors.ErrUnsupported) {
		t.note("that the backend is not asked: Subject.Break cannot refuse")
		return
	}
	f.must("Subject.Break", err)
	refused()
	undo()
}

func id3(t *T) {
	f := t.subject()
	id, owner, data := "Secret-Id-0123456789-abcdefghijk", "Secret-Owner-0123456789", "Secret-Data-0123456789-abcdefghij"
	r := store.Record{Data: []byte(data), Owner: owner}
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	_, err := f.Load(id)
	note(err)
	note(f.Touch(id, hour))
	note(second(f.Update(id, r, hour, 1)))
	f.create(id, r, hour)
	note(second(f.Create(id, r, hour)))
	note(second(f.Update(id, r, hour, 1)))
	note(second(f.Update(id, r, hour, 0)))
	note(second(f.Create(id+"\x00", r, hour)))
	note(second(f.Create(strings.Repeat(id, 9), r, hour)))
	note(second(f.Create(id+"2", store.Record{Data: []byte(data), Owner: owner + "\n"}, hour)))
	note(second(f.Create(id+"2", r, -1)))
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	note(second(f.at(done).Create(id+"3", r, hour)))
	note(second(f.DeleteOwner(owner + "\n")))
	if f.MaxData > 0 {
		note(second(f.Create(id+"4", store.Record{Data: []byte(strings.Repeat(data, f.MaxData/len(data)+1)), Owner: owner}, hour)))
	}
	every := func() {
		together(6, func(i int) {
			var err error
			switch i {
			case 0:
				_, err = f.Load(id)
			case 1:
				_, err = f.Create(id+"5", r, hour)
			case 2:
				_, err = f.Update(id, r, hour, 7)
			case 3:
				err = f.Touch(id, hour)
			case 4:
				err = f.Delete(id)
			case 5:
				_, err = f.DeleteOwner(owner)
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			note(err)
		})
	}
	for _, kind := range []FaultKind{Refuse, Reject} {
		if undo, ok := f.breaks(Fault{Kind: kind}); ok {
			every()
			undo()
		} else {
			t.note("errors of a backend that fails: " + string(kind))
		}
	}
	if f.Corrupt != nil {
		f.Delete(id)
		if _, err := f.Create(id, r, hour); err == nil && f.Corrupt(t.ctx, id) == nil {
			note(second(f.Load(id)))
			note(f.Touch(id, hour))
			note(second(f.Update(id, r, hour, 1)))
		}
	}
	for _, err := range errs {
		if err == nil {
			continue
		}
		text := fmt.Sprintf("%v\n%+v\n%#v", err, err, err)
		for what, secret := range map[string]string{"id": id, "owner": owner, "data": data} {
			if how := leaks(text, secret); how != "" {
				t.Errorf("the error of a call holds the %s, %s", what, how)
			}
		}
	}
}

// leaks says in which encoding text holds a good part of secret, or "".
func leaks(text, secret string) string {
	part := secret[7 : len(secret)-3] // behind the word that all have in common
	forms := map[string]string{
		"as it is": part, "in hex": hex.EncodeToString([]byte(part)), "quoted": strings.Trim(strconv.QuoteToASCII(part), `"`),
		"percent-encoded": url.QueryEscape(part),
	}
	for off := range 3 {
		// Base64 looks different at each of three offsets.
		inner := part[off : off+len(part)/3*3-3]
		forms[fmt.Sprint("in base64, offset ", off)] = base64.StdEncoding.EncodeToString([]byte(inner))
		forms[fmt.Sprint("in base64url, offset ", off)] = base64.URLEncoding.EncodeToString([]byte(inner))
	}
	numbers := strings.Trim(fmt.Sprint([]byte(part)), "[]")
	forms["as numbers"] = numbers
	low := strings.ToLower(text)
	for how, form := range forms {
		if strings.Contains(text, form) || how == "in hex" && strings.Contains(low, form) {
			return how
		}
	}
	return ""
}
