package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// golden is a record of version 1 as it stands in stores.
const golden = "\x08\x01" + "\x10\x80\xcc\xa4\xc8\x8c\x31" +
	"\x1a\x0b" + "\x0a\x06visits" + "\x12\x013" +
	"\x1a\x0f" + "\x0a\x04name" + "\x12\x07\"alice\""

func goldenRecord() record {
	return record{version: 1, began: time.UnixMilli(1687000000000), values: []value{
		{key: []byte("visits"), json: []byte("3")}, {key: []byte("name"), json: []byte(`"alice"`)},
	}}
}

// REL-20: what is stored stays readable.
func TestGoldenRecord(t *testing.T) {
	r := goldenRecord()
	b := r.encode()
	if string(b) != golden {
		t.Errorf("encoded %q, want %q", b, golden)
	}
	back, err := decode(b)
	if err != nil || !back.began.Equal(r.began) || string(back.get("visits")) != "3" || string(back.get("name")) != `"alice"` || back.get("none") != nil {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if g, err := decode([]byte(golden)); err != nil || !g.began.Equal(r.began) || string(g.get("name")) != `"alice"` {
		t.Errorf("golden: %+v, %v", g, err)
	}
}

// What a newer version wrote survives an older one's change.
func TestUnknownFieldsAreKept(t *testing.T) {
	newer := goldenRecord()
	newer.version = 7
	extra := "\x7a\x03key" + "\x88\x01\x05" + "\x31abcdefgh" + "\x3dabcd" + "\xa2\x06\x02hi"
	newer.unknown = []byte(extra)
	const more = "\x1a\x02hi" + "\x20\x07"
	newer.values[0].unknown, newer.values[1].unknown = []byte(more), []byte(more)
	r, err := decode(newer.encode())
	if err != nil {
		t.Fatal(err)
	}
	r.set("visits", []byte("4"))
	again, err := decode(r.encode())
	if err != nil || string(again.unknown) != extra || again.version != 7 || string(again.get("visits")) != "4" ||
		string(again.values[0].unknown) != more || string(again.values[1].unknown) != more {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestCloneIsApart(t *testing.T) {
	r := goldenRecord()
	c := r.clone()
	c.set("visits", []byte("4"))
	c.set("name", nil)
	c.set("new", []byte("1"))
	if string(r.get("visits")) != "3" || r.get("name") == nil || r.get("new") != nil {
		t.Errorf("the original changed: %+v", r)
	}
}

// A value of no bytes, which nobody writes, can be deleted like any other.
func TestChangesTellEmptyFromMissing(t *testing.T) {
	r := goldenRecord()
	r.values[0].json = []byte{}
	if next, changed := changes(&r, []op{{key: "visits"}}); !changed || next.get("visits") != nil {
		t.Errorf("changed %v, %+v", changed, next)
	}
}

func TestSEC21HostileRecords(t *testing.T) {
	huge := binary.AppendUvarint([]byte("\x08\x01\x1a"), 1<<62)
	for what, b := range map[string]string{
		"nothing": "", "no version": golden[2:], "text": "hello", "JSON": `{"a":1}`, "field 0": "\x08\x01\x00", "group": "\x08\x01\x0b",
		"length beyond the end": "\x08\x01\x1a\x7f", "huge length": string(huge), "endless varint": "\x08" + strings.Repeat("\xff", 20),
		"value without key": "\x08\x01\x1a\x03\x12\x013", "value without JSON": "\x08\x01\x1a\x03\x0a\x01k", "torn value": "\x08\x01\x1a\x03\x0a\x09k",
		"began never": "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		if _, err := decode([]byte(b)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", what, err)
		}
	}
	for i := range len(golden) {
		if r, err := decode([]byte(golden[:i])); err == nil && len(r.values) > 1 {
			t.Errorf("cut at %d it is whole", i)
		}
	}
}

// Decoding never panics, takes memory in proportion, and what it takes in it gives
// out again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(golden + "\x22\x03abc\x31abcdefgh\x3dabcd"))
	f.Add([]byte("\x08\x01\x1a\x7f"))
	whole := goldenRecord()
	whole.seen = whole.began.Add(time.Hour)
	whole.meta = meta{since: whole.began, handle: "h", authAt: whole.seen, authBy: "password", device: "d", persistent: true, idle: time.Hour, absolute: 48 * time.Hour}
	f.Add(whole.encode())
	whole.forward = &forward{to: strings.Repeat("A", 43), renewed: whole.seen, grace: time.Second, keep: time.Minute}
	f.Add(whole.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		r, err := decode(b)
		if !bytes.Equal(b, before) {
			t.Fatal("decode changed its input")
		}
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("got %v, want ErrCorrupt", err)
			}
			return
		}
		again, err := decode(r.encode())
		if err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
		if !again.began.Equal(r.began) || len(again.values) != len(r.values) || !bytes.Equal(again.unknown, r.unknown) || !sameMeta(again.meta, r.meta) {
			t.Fatalf("%+v became %+v", r, again)
		}
		if (again.forward == nil) != (r.forward == nil) || r.forward != nil && !sameForward(*again.forward, *r.forward) {
			t.Fatalf("the forward %+v became %+v", r.forward, again.forward)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add(newID().cookie())
	f.Add(strings.Repeat("\n", 43))
	f.Add(strings.Repeat("A", 42) + "B")
	f.Fuzz(func(t *testing.T, s string) {
		if i, ok := parseID(s); ok && i.cookie() != s {
			t.Errorf("%q is another spelling of an id", s)
		}
	})
}

// sameMeta compares what is stored: the owner is not in the record, and a time of 0 is
// left out.
func sameMeta(a, b meta) bool {
	for _, x := range []*meta{&a, &b} {
		x.owner, x.since, x.authAt = "", zeroed(x.since), zeroed(x.authAt)
	}
	return a == b
}

func sameForward(a, b forward) bool {
	a.renewed, b.renewed = zeroed(a.renewed), zeroed(b.renewed)
	return a == b
}

func zeroed(t time.Time) time.Time {
	if t.IsZero() || t.UnixMilli() <= 0 {
		return time.Time{}
	}
	return milliseconds(t)
}

// FuzzCookie reads whole headers as they come: none makes more than one id of its
// cookies, and what is read is in it.
func FuzzCookie(f *testing.F) {
	j := newJar(&Cookie{})
	good := j.name + "=" + newID().cookie()
	for _, line := range []string{good, good + "; " + good, "a=b; " + good, " " + j.name + " = x", j.name, "=", ";;;", j.name + "=\"quoted\""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		value, n := j.read(http.Header{"Cookie": {line}})
		if n == 0 && value != "" || n < 0 || n > strings.Count(line, j.name) || !strings.Contains(line, value) {
			t.Fatalf("%d cookies, %q", n, value)
		}
		if i, ok := parseID(value); ok && !strings.Contains(line, i.cookie()) {
			t.Fatal("an id that is not there")
		}
	})
}
