package postgres_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// SEC-04: what pg_dump gives out has a session's data and owner, and nowhere what is
// in its cookie, in any encoding.
func TestDumpGivesNoLogin(t *testing.T) {
	sv := shared.Container(t)
	x := newTable(t, sv.URL())
	sessions, err := session.New(x.open(t, x.pool), nil)
	if err != nil {
		t.Fatal(err)
	}
	name := session.NewKey[string]("name")
	srv := httptest.NewServer(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = name.Set(s, "Marie-"+r.URL.Query().Get("n"))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})))
	defer srv.Close()
	home, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 20 {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar}
		for _, n := range []string{"1", "2"} {
			res, err := browser.Get(srv.URL + "?n=" + n)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			for _, c := range res.Cookies() {
				ids = append(ids, c.Value)
			}
		}
		if len(jar.Cookies(home)) == 0 {
			t.Log("the jar keeps Secure cookies to itself on http")
		}
	}
	// Both forms of the dump: statements, and rows as bytes.
	for _, form := range [][]string{{"--inserts"}, {}} {
		args := append([]string{"pg_dump", "-U", "sojourn", "-d", "sojourn", "-t", x.name()}, form...)
		dump, err := sv.Exec(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(dump, hex.EncodeToString([]byte("Marie-"))) {
			t.Fatalf("the dump does not hold the sessions' data:\n%s", dump)
		}
		if len(ids) < 20 {
			t.Fatalf("%d cookies were set, want 20 or more", len(ids))
		}
		for _, id := range ids {
			raw, err := base64.RawURLEncoding.DecodeString(id)
			if err != nil || len(raw) != 32 {
				t.Fatalf("an id of %d bytes: %v", len(raw), err)
			}
			for what, text := range map[string]string{
				"as it is": id, "in hex": hex.EncodeToString(raw), "its text in hex": hex.EncodeToString([]byte(id)),
				"in base64": base64.StdEncoding.EncodeToString(raw), "its text in base64": base64.RawStdEncoding.EncodeToString([]byte(id)),
				"its bytes": string(raw),
			} {
				if strings.Contains(strings.ToLower(dump), strings.ToLower(text)) {
					t.Errorf("the dump holds an id %s", what)
				}
			}
		}
	}
}
