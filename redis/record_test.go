package redis_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// What is stored stays readable: neither the bytes nor the keys may change.
func TestGolden(t *testing.T) {
	rec := store.Record{Owner: "user:42", Data: []byte(`{"n":1}`)}
	const golden = "010123456789abcdef07757365723a34327b226e223a317d"
	if got := hex.EncodeToString(redis.Encode(rec, 0x0123456789abcdef)); got != golden {
		t.Errorf("encoded: %s", got)
	}
	b, _ := hex.DecodeString(golden)
	if got, v, err := redis.Decode(b); err != nil || v != 0x0123456789abcdef || got.Owner != rec.Owner || !bytes.Equal(got.Data, rec.Data) {
		t.Errorf("decoded: %+v, %x, %v", got, v, err)
	}
	for _, c := range []struct {
		slots          int
		session, index string
	}{
		{1, "sojourn{000}s:an-id", "sojourn{000}o:user:42"},
		{256, "sojourn{0e4}s:an-id", "sojourn{0e4}o:user:42"},
		{4096, "sojourn{1e4}s:an-id", "sojourn{1e4}o:user:42"},
	} {
		if s, i := redis.Keys("sojourn", c.slots, "an-id", "user:42"); s != c.session || i != c.index {
			t.Errorf("%d slots: %s, %s", c.slots, s, i)
		}
	}
}

// A value that was cut off or changed is ErrCorrupt, or says what it says: of data, which
// the server keeps as it is, nobody could tell.
func TestDecodeOfWhatIsNotOurs(t *testing.T) {
	rec := store.Record{Owner: "owner", Data: []byte("data")}
	whole := redis.Encode(rec, 7)
	for n := range len(whole) - len(rec.Data) {
		if _, _, err := redis.Decode(whole[:n]); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	change := func(at int, b byte) []byte {
		out := bytes.Clone(whole)
		out[at] = b
		return out
	}
	for what, b := range map[string][]byte{
		"another format":         change(0, 2),
		"no revision":            change(8, 0),
		"an owner that goes on":  change(9, 200),
		"an owner that is none":  change(10, 0xff),
		"a control character":    change(10, 7),
		"what others store here": []byte(`{"cookie":{"originalMaxAge":null}}`),
	} {
		if _, _, err := redis.Decode(b); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What Load returns is not what the driver reads into next, nor can it grow into it.
func TestDecodedDataHasNoRoom(t *testing.T) {
	rec, _, err := redis.Decode(append(make([]byte, 0, 100), redis.Encode(store.Record{Data: []byte("data")}, 1)...))
	if err != nil || cap(rec.Data) != len(rec.Data) {
		t.Errorf("%d of %d bytes, %v", len(rec.Data), cap(rec.Data), err)
	}
}

func TestEntry(t *testing.T) {
	value := redis.Encode(store.Record{}, 1)
	for _, c := range []struct {
		left int64
		ttl  time.Duration
		err  error
	}{
		{1500, 1500 * time.Millisecond, nil},
		{0, time.Millisecond, nil}, // it was there
		{math.MaxInt64, math.MaxInt64 / 1_000_000 * 1_000_000, nil},
		{-1, 0, store.ErrCorrupt},
		{-2, 0, store.ErrNotFound},
	} {
		if e, err := redis.Entry(value, c.left); !errors.Is(err, c.err) || e.TTL != c.ttl {
			t.Errorf("%d ms: %v, %v", c.left, e.TTL, err)
		}
	}
	if _, err := redis.Entry(nil, -2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what ended between the two commands: %v", err)
	}
}

// A life is never shorter than it was asked for, though it may begin late in the server's
// millisecond.
func TestLifetime(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		1: 2, 999: 2, time.Millisecond: 2, time.Millisecond + 1: 3, time.Hour: 3_600_001, math.MaxInt64: math.MaxInt64/1_000_000 + 1,
	} {
		if got := redis.Lifetime(ttl); got != want {
			t.Errorf("%v: %d ms, want %d", ttl, got, want)
		}
	}
}

// SCAN's pattern finds what looks like a session's key, and the rest is looked at here: an
// owner may be called as one likes.
func TestSessionID(t *testing.T) {
	_, index := redis.Keys("p", 1, "x", "a}s:b")
	for key, want := range map[string]string{
		"p{000}s:abc": "abc", "p{fff}s:a}s:b": "a}s:b",
		index: "", "p{000}o:abc": "", "p{000}s:": "", "p{slots}": "", "p{000}w": "", "q{000}s:abc": "", "pp{000}s:abc": "", "p{00": "", "": "",
		"p{000}s:a b": "",
	} {
		if id, ok := redis.SessionID("p", key); id != want && ok || ok != (want != "") {
			t.Errorf("%q: %q, %v", key, id, ok)
		}
	}
	if p := redis.Pattern("p"); p != "p{???}s:*" {
		t.Errorf("the pattern is %s", p)
	}
}

// Tags are spread evenly, whatever the number.
func TestTagOf(t *testing.T) {
	for _, slots := range []int{1, 7, 256, 4096} {
		counts := make([]int, slots)
		const each = 100
		for i := range slots * each {
			counts[redis.TagOf(hex.EncodeToString([]byte{byte(i), byte(i >> 8), byte(i >> 16)}), slots)]++
		}
		for n, c := range counts {
			if slots > 1 && (c < each/3 || c > each*3) {
				t.Errorf("%d of %d ids have tag %d of %d", c, slots*each, n, slots)
			}
		}
	}
}
