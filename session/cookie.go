package session

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// jar reads and writes the cookie. Its lines are made once.
type jar struct {
	name  string
	attrs string // "; Path=/; …"
	clear string // the whole line that ends it
}

func newJar(c *Cookie) jar {
	k := c.cookie()
	j := jar{name: k.Name}
	k.Value = "x"
	j.attrs = strings.TrimPrefix(k.String(), k.Name+"=x")
	// A cookie is ended by one of the same name, path, domain and attributes; a
	// prefixed one that lacks them is ignored and the old one stays (SEC-13).
	k.Value, k.MaxAge = "", -1
	j.clear = k.String()
	return j
}

// line sets the cookie. A maxAge of 0 is until the browser is closed.
func (j *jar) line(i id, maxAge time.Duration) string {
	line := j.name + "=" + i.cookie() + j.attrs
	if maxAge > 0 {
		line += "; Max-Age=" + strconv.Itoa(int(maxAge/time.Second))
	}
	return line
}

// read returns the value of the request's cookie of our name, and how many such
// cookies there are. It takes the header as it came: [http.Request.Cookie] passes
// over what it cannot parse, and so would not see a second one.
func (j *jar) read(h http.Header) (value string, n int) {
	for _, line := range h["Cookie"] {
		for len(line) > 0 {
			var part string
			part, line, _ = strings.Cut(line, ";")
			name, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if ok && strings.TrimRight(name, " \t") == j.name {
				value = v
				n++
			}
		}
	}
	return value, n
}

// vary says that the response depends on the cookie (SEC-12), in a place that is used
// for nothing else.
func vary(h http.Header, place *[1]string) {
	for _, line := range h["Vary"] {
		if hasToken(line, "Cookie") || hasToken(line, "*") {
			return
		}
	}
	if h["Vary"] != nil {
		h.Add("Vary", "Cookie")
		return
	}
	place[0] = "Cookie"
	h["Vary"] = place[:]
}

// noStore keeps a response that hands out a cookie from every cache, and leaves
// what the handler has said beside it (SEC-12). Where there are directions to the
// caches of a CDN, those do not heed Cache-Control (RFC 9213), and are told too.
func noStore(h http.Header) {
	forbid(h, "Cache-Control")
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || name == "Surrogate-Control" {
			forbid(h, name)
		}
	}
}

func forbid(h http.Header, name string) {
	for _, line := range h[name] {
		if hasToken(line, "no-store") {
			return
		}
	}
	h.Add(name, "no-store")
}

// hasToken may pass over a token beside a quoted string, in which a comma and what
// follows it are no tokens.
func hasToken(line, token string) bool {
	if strings.Contains(line, `"`) {
		return false
	}
	for part := range strings.SplitSeq(line, ",") {
		if strings.EqualFold(strings.Trim(part, " \t"), token) {
			return true
		}
	}
	return false
}
