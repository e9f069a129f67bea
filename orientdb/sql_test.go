package orientdb

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// Every text is the JSON of itself, in ASCII.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", `"\`, "\x00\x1f\x7f", "ä\u2028\uffff", "😀\U0010ffff", `\u0022`, "</script>"} {
		f.Add(s, "s:")
	}
	f.Fuzz(func(t *testing.T, s, prefix string) {
		if !utf8.ValidString(s) || !utf8.ValidString(prefix) {
			t.Skip("no such text comes here")
		}
		b := appendText(nil, prefix, s)
		var back string
		if err := json.Unmarshal(b, &back); err != nil || back != prefix+s {
			t.Errorf("%q is written as %s: %v", prefix+s, b, err)
		}
		for _, c := range b {
			if c < ' ' || c > '~' {
				t.Errorf("%q is written with a byte %#x", s, c)
			}
		}
	})
}
