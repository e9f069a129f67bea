package session_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

const cookieName = "__Host-Http-session"

func TestSEC01Ids(t *testing.T) {
	st := newSite(t, session.Options{})
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$`)
	seen := map[string]bool{}
	var ones [256]int
	const n = 2000
	for range n {
		b := st.browser()
		b.visit()
		v := b.value()
		if !form.MatchString(v) || seen[v] {
			t.Fatalf("%q is no id, or came twice", v)
		}
		seen[v] = true
		raw, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 256 {
			ones[bit] += int(raw[bit/8] >> (bit % 8) & 1)
		}
	}
	for bit, k := range ones {
		if k < n/2-n/8 || k > n/2+n/8 { // 11 standard deviations
			t.Errorf("bit %d is set in %d of %d ids: it is not random", bit, k, n)
		}
	}
}

// An id that we did not issue never becomes a record (CVE-2024-38513).
func TestSEC02ForeignIdIsNeverUsed(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	planted := strings.Repeat("A", 43)
	b.cookie = cookieName + "=" + planted
	b.visit()
	if b.value() == planted {
		t.Fatal("the planted id was taken")
	}
	for l, err := range st.store.List(ctx, store.Query{}) {
		raw, _ := base64.RawURLEncoding.DecodeString(planted)
		sum := sha256.Sum256(raw)
		if err != nil || l.ID == base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Errorf("something is stored under the planted id (%v)", err)
		}
	}
	if got := st.told(); !slices.Equal(got, []session.Kind{session.UnknownID, session.Created}) {
		t.Errorf("events: %v", got)
	}
}

func TestSEC03MalformedCookiesAskNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	good := b.value()
	calls := st.store.Calls("")
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[42])
	bad := map[string]string{
		"empty": "", "1 MB": strings.Repeat("A", 1<<20), "path": "../../etc/passwd", "NUL": good[:42] + "\x00", "CR LF": good[:41] + "\r\n",
		"SQL": "' OR 1=1--", "JSON": `{"$gt":""}`, "star": "*", "short": good[:42], "long": good + "A", "padded": good + "=", "quoted": `"` + good + `"`,
		"standard base64": "+" + good[1:], "space": " " + good[1:], "not the canonical last character": good[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1]),
		"43 line ends": strings.Repeat("\n", 43), "line ends inside": good[:20] + "\n" + good[21:], "not ASCII": strings.Repeat("é", 21) + "A", "percent": "%41" + good[3:],
	}
	for what, v := range bad {
		st.told()
		evil := st.browser()
		evil.cookie = cookieName + "=" + v
		evil.use(func(s *session.Session) error {
			if !s.New() || visits.Get(s) != 0 {
				t.Errorf("%s: it is a session", what)
			}
			return nil
		})
		if n := st.store.Calls(""); n != calls {
			t.Errorf("%s: %d store calls", what, n-calls)
			calls = n
		}
		if got := st.told(); !slices.Equal(got, []session.Kind{session.Malformed}) {
			t.Errorf("%s: events %v", what, got)
		}
	}
}

func TestSEC04StoreSeesNoId(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	b.visit()
	raw, err := base64.RawURLEncoding.DecodeString(b.value())
	if err != nil {
		t.Fatal(err)
	}
	var dump []byte
	key := ""
	for l, err := range st.store.List(ctx, store.Query{Data: true}) {
		if err != nil {
			t.Fatal(err)
		}
		dump = append(append(dump, l.ID...), l.Data...)
		key = l.ID
	}
	for form, id := range map[string]string{
		"text": b.value(), "raw": string(raw), "hex": hex.EncodeToString(raw), "base64": base64.StdEncoding.EncodeToString(raw),
		"hex of the text": hex.EncodeToString([]byte(b.value())), "base64 of the text": base64.StdEncoding.EncodeToString([]byte(b.value()))[:56],
	} {
		if bytes.Contains(bytes.ToLower(dump), bytes.ToLower([]byte(id))) {
			t.Errorf("the store holds the id as %s", form)
		}
	}
	if sum := sha256.Sum256(raw); key != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("the store's id is %q, not the SHA-256 of the cookie's", key)
	}

	t.Run("SEC05 a stored key is no cookie", func(t *testing.T) {
		thief := st.browser()
		thief.cookie = cookieName + "=" + key
		thief.use(func(s *session.Session) error {
			if !s.New() || visits.Get(s) != 0 {
				t.Error("it is a session")
			}
			return nil
		})
	})
}

func TestSEC07IdFromNowhereElse(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.visit()
	calls := st.store.Calls("")
	id := b.value()
	r := httptest.NewRequest("POST", "/?"+cookieName+"="+id+"&session="+id, strings.NewReader(cookieName+"="+id))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+id)
	r.Header.Set(cookieName, id)
	r.Header.Set("X-Session-Id", id)
	r.Header.Set("Cookie2", cookieName+"="+id)
	st.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s := load(t, r); !s.New() {
			t.Error("it is a session")
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if n := st.store.Calls(""); n != calls {
		t.Errorf("%d store calls", n-calls)
	}
}

func TestSEC08TwoCookiesOfOurName(t *testing.T) {
	st := newSite(t, session.Options{})
	a, b := st.browser(), st.browser()
	a.visit()
	b.visit()
	for _, lines := range [][]string{{a.cookie + "; " + b.cookie}, {a.cookie, b.cookie}, {a.cookie + ";" + a.cookie}, {a.cookie + "; " + cookieName + "="}, {cookieName + "=\x7f; " + a.cookie}} {
		st.told()
		calls := st.store.Calls("")
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = lines
		st.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s := load(t, r); !s.New() || visits.Get(s) != 0 {
				t.Error("one of them was used")
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		if got := st.told(); !slices.Equal(got, []session.Kind{session.Ambiguous}) || st.store.Calls("") != calls {
			t.Errorf("events: %v, %d store calls", got, st.store.Calls("")-calls)
		}
	}
	// Cookies of other names, also such that begin like ours, are none of ours.
	c := st.browser()
	c.cookie = "a=b; " + cookieName + "x=1; x" + cookieName + "=1; " + a.cookie + " ; " + strings.ToLower(cookieName) + "=1;;=; " + cookieName
	if n := c.visit(); n != 2 {
		t.Errorf("among others: visit %d, want 2", n)
	}
}

func TestSEC09Defaults(t *testing.T) {
	for want, c := range map[string]session.Cookie{
		"__Host-Http-session=ID; Path=/; HttpOnly; Secure; SameSite=Lax":                  {},
		"session=ID; Path=/; HttpOnly; SameSite=Lax":                                      {PlainHTTP: true},
		"__Secure-x=ID; Path=/app; Domain=example.org; HttpOnly; Secure; SameSite=Strict": {Name: "__Secure-x", Path: "/app", Domain: "example.org", SameSite: http.SameSiteStrictMode},
		"__Host-Http-session=ID; Path=/; HttpOnly; Secure; SameSite=None; Partitioned":    {SameSite: http.SameSiteNoneMode, Partitioned: true},
		"__Host-x=ID; Path=/; Secure; SameSite=Lax":                                       {Name: "__Host-x", ScriptAccess: true},
	} {
		st := newSite(t, session.Options{Cookie: c})
		b := st.browser()
		w := b.use(func(s *session.Session) error { return visits.Set(s, 1) })
		if got := strings.Replace(w.Header().Get("Set-Cookie"), b.value(), "ID", 1); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if w := b.use(func(s *session.Session) error { return visits.Set(s, 2) }); w.Header().Get("Set-Cookie") != "" {
			t.Error("the cookie is sent again though it has not changed")
		}
		// SEC-13: cleared by the same.
		w = b.use(func(s *session.Session) error { return s.Destroy() })
		cleared := strings.Replace(strings.Replace(want, "=ID;", "=;", 1), "; HttpOnly", "; Max-Age=0; HttpOnly", 1)
		if c.ScriptAccess {
			cleared = strings.Replace(strings.Replace(want, "=ID;", "=;", 1), "; Secure", "; Max-Age=0; Secure", 1)
		}
		if got := w.Header().Get("Set-Cookie"); got != cleared {
			t.Errorf("got  %s\nwant %s", got, cleared)
		}
	}
}

func TestSEC10ImpossibleCookies(t *testing.T) {
	for what, c := range map[string]session.Cookie{
		"default name, domain":        {Domain: "example.org"},
		"default name, path":          {Path: "/app"},
		"default name, script access": {ScriptAccess: true},
		"host-http, plain":            {Name: "__Host-Http-x", PlainHTTP: true},
		"host, domain":                {Name: "__host-x", Domain: "example.org"},
		"host, path":                  {Name: "__HOST-x", Path: "/x"},
		"host, plain":                 {Name: "__Host-x", PlainHTTP: true},
		"secure, plain":               {Name: "__sECURE-x", PlainHTTP: true},
		"http, plain":                 {Name: "__Http-x", PlainHTTP: true},
		"http, script access":         {Name: "__http-x", ScriptAccess: true},
		"host-http, script access":    {Name: "__HOST-HTTP-x", ScriptAccess: true},
		"none, plain":                 {SameSite: http.SameSiteNoneMode, PlainHTTP: true},
		"partitioned, plain":          {Partitioned: true, PlainHTTP: true},
		"space in the name":           {Name: "a b"},
		"semicolon in the name":       {Name: "a;b"},
		"equals in the name":          {Name: "a=b"},
		"newline in the name":         {Name: "a\n"},
		"not ASCII in the name":       {Name: "é"},
		"semicolon in the path":       {Name: "x", Path: "/;x"},
		"path without slash":          {Name: "x", Path: "app"},
		"newline in the domain":       {Name: "x", Domain: "a\nb"},
		"SameSite that is none":       {SameSite: 9},
	} {
		if _, err := session.New(memory.New(nil), &session.Options{Cookie: c}); err == nil {
			t.Errorf("%s: New took it", what)
		} else {
			t.Log(err)
		}
	}
	if _, err := session.New(memory.New(nil), &session.Options{Absolute: 400 * 24 * time.Hour, Cookie: session.Cookie{Name: "__Http-x", Domain: "example.org", Path: "/x"}}); err != nil {
		t.Errorf("possible: %v", err)
	}
}

// A million anonymous requests leave no record.
func TestSEC22AnonymousRequestsLeaveNothing(t *testing.T) {
	st := newSite(t, session.Options{})
	for i := range 2000 {
		b := st.browser()
		b.cookie = fmt.Sprintf("%s=%043d", cookieName, i*4)
		b.use(func(s *session.Session) error { visits.Get(s); return nil })
	}
	if n := st.sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}
