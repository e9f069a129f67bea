package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// resp reads what is written in RESP, and keeps the bytes. Memory is taken for what has
// come, not for what a length announces.
type resp struct {
	bytes.Buffer
	r *bufio.Reader
}

// command reads a command, and returns its name. It is empty where there is none, which
// the server ignores.
func (f *resp) command() (name string, err error) {
	first, err := f.r.Peek(1)
	if err != nil {
		return "", err
	}
	if first[0] != '*' {
		return f.inline(first[0])
	}
	_, n, err := f.header()
	if err != nil {
		return "", err
	}
	for i := range n {
		kind, size, err := f.header()
		if err != nil {
			return name, err
		}
		if kind != '$' {
			return name, fmt.Errorf("redis: an argument that begins with %q", kind)
		}
		arg, err := f.bulk(size)
		if err != nil {
			return name, err
		}
		if i == 0 {
			name = string(arg)
		}
	}
	return name, nil
}

// inline reads a command as people type it.
func (f *resp) inline(first byte) (name string, err error) {
	if first < ' ' && !strings.ContainsRune("\t\r\n", rune(first)) || first >= 0x7f {
		return "", fmt.Errorf("redis: a command that begins with %q", first)
	}
	line, err := f.line(64 << 10) // what the server takes
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return "", fmt.Errorf("redis: a line with a zero byte")
	}
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return "", nil
	}
	return strings.Trim(words[0], `"'`), nil
}

// value reads a value of any depth, and returns where it begins behind its attributes.
func (f *resp) value() (start int, err error) {
	attributes := true
	// How many values are still to come is all that there is to know of the nesting.
	for owed := 1; owed > 0; {
		at := f.Len()
		kind, n, err := f.header()
		if err != nil {
			return start, err
		}
		if owed == 1 && attributes {
			start, attributes = at, kind == '|'
		}
		owed--
		switch kind {
		case '+', '-', ':', ',', '(', '#', '_':
		case '$', '!', '=':
			if _, err := f.bulk(n); err != nil {
				return start, err
			}
		case '*', '~', '>':
			owed += n
		case '%':
			owed += 2 * n
		case '|': // comes before a value, and is none
			owed += 2*n + 1
		}
	}
	return start, nil
}

// header reads the first line of a value, and returns its kind, and the length in it
// where there is one. That of a null is -1 for a string and 0 otherwise.
func (f *resp) header() (kind byte, n int, err error) {
	if f.Len() > longest {
		return 0, 0, fmt.Errorf("redis: a value of more than %d bytes", longest)
	}
	first, err := f.r.Peek(1)
	if err != nil {
		return 0, 0, err
	}
	kind = first[0]
	if !strings.ContainsRune("+-:,(#_$!=*~>%|", rune(kind)) {
		return 0, 0, fmt.Errorf("redis: a value that begins with %q", kind)
	}
	line, err := f.line(1 << 20)
	if err != nil {
		return 0, 0, err
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return 0, 0, fmt.Errorf("redis: a line of kind %q without its CR", kind)
	}
	if strings.ContainsRune("+-:,(#_", rune(kind)) {
		return kind, 0, nil
	}
	n, err = strconv.Atoi(string(text[1:]))
	if err != nil || n < -1 || n > longest {
		return 0, 0, fmt.Errorf("redis: a value of kind %q and length %.20q", kind, text[1:])
	}
	if kind != '$' {
		n = max(n, 0)
	}
	return kind, n, nil
}

// bulk reads a string of so many bytes, and its end. It is valid until more is read.
func (f *resp) bulk(size int) ([]byte, error) {
	if size < 0 {
		return nil, nil
	}
	start := f.Len()
	if _, err := io.CopyN(f, f.r, int64(size)+2); err != nil {
		return nil, err
	}
	text, ok := bytes.CutSuffix(f.Bytes()[start:], []byte("\r\n"))
	if !ok {
		return nil, fmt.Errorf("redis: a string that does not end after %d bytes", size)
	}
	return text, nil
}

// line reads a line with its end. It is valid until more is read.
func (f *resp) line(most int) ([]byte, error) {
	start := f.Len()
	for {
		part, err := f.r.ReadSlice('\n')
		f.Write(part)
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
		if f.Len()-start > most {
			return nil, fmt.Errorf("redis: a line of more than %d bytes", most)
		}
		if err == nil {
			return f.Bytes()[start:], nil
		}
	}
}
