package orientdb

import (
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// statement is a command of SQL, as the beginning of the request that sends it: its
// parameters follow, see [params].
type statement string

func prepare(sql string) statement {
	return statement(appendText([]byte(`{"command":`), sql)) + `,"returnExecutionPlan":false,"parameters":{`
}

// with begins the parameters of a statement.
func (s statement) with() params { return params(append(make([]byte, 0, len(s)+512), s...)) }

// params is a request that is being written. Everything is in ASCII: of other bytes the
// server makes what the locale of its machine says.
type params []byte

func (p params) name(name string) params {
	if p[len(p)-1] != '{' {
		p = append(p, ',')
	}
	p = append(p, '"')
	p = append(p, name...)
	return append(p, '"', ':')
}

// text is one of these parts, one after the other.
func (p params) text(name string, parts ...string) params { return appendText(p.name(name), parts...) }

// number is no text: as one the server would compare it as such.
func (p params) number(name string, n int64) params { return strconv.AppendInt(p.name(name), n, 10) }

func (p params) bytes(name string, b []byte) params {
	p = append(p.name(name), '"')
	return append(base64.StdEncoding.AppendEncode(p, b), '"')
}

func (p params) null(name string) params { return append(p.name(name), "null"...) }

// body is the whole request.
func (p params) body() []byte { return append(p, "}}"...) }

// appendText appends a JSON string, of these parts one after the other.
func appendText(b []byte, parts ...string) []byte {
	const hex = "0123456789abcdef"
	unit := func(u rune) { b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15]) }
	b = append(b, '"')
	for _, part := range parts {
		for _, r := range part {
			switch {
			case r == '"', r == '\\':
				b = append(b, '\\', byte(r))
			case r >= ' ' && r < utf8.RuneSelf-1:
				b = append(b, byte(r))
			case r > 0xffff:
				high, low := utf16.EncodeRune(r)
				unit(high)
				unit(low)
			default:
				unit(r)
			}
		}
	}
	return append(b, '"')
}
