package postgres_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
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
	var ids []string
	for range 20 {
		var cookie *http.Cookie // by hand: net/http's jar keeps Secure ones off plain http
		for _, n := range []string{"1", "2"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"?n="+n, nil)
			if err != nil {
				t.Fatal(err)
			}
			if cookie != nil {
				r.AddCookie(cookie)
			}
			res, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			for _, cookie = range res.Cookies() {
				ids = append(ids, cookie.Value)
			}
		}
	}
	if len(ids) != 20 {
		t.Fatalf("%d cookies were set, want 20: one for each session, which the second visit updates", len(ids))
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
