// Package dump looks into what a server gives out, or writes to its disk, for what must
// not be there.
package dump

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// Data begins the data of each session that [Fill] makes: a dump without it has been
// searched in vain.
const Data = "Marie-"

// Fill has twenty browsers visit a site twice, that keeps its sessions in the store. It
// returns the ids, as they are in the cookies.
func Fill(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	sessions, err := session.New(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := session.NewKey[string]("name")
	srv := httptest.NewServer(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			err = name.Set(s, Data+r.URL.Query().Get("n"))
		}
		if err != nil {
			sessions.Error(w, r, err)
		}
	})))
	defer srv.Close()
	const browsers = 20
	for range browsers {
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
	if len(ids) != browsers {
		t.Fatalf("%d cookies were set, want %d: one for each session, which the second visit updates", len(ids), browsers)
	}
	return ids
}

// Search fails the test if the text holds an id, in any encoding.
func Search(t *testing.T, what, text string, ids []string) {
	t.Helper()
	lower := strings.ToLower(text) // hex is written in either case
	for _, id := range ids {
		raw, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil || len(raw) != 32 {
			t.Fatalf("an id of %d bytes: %v", len(raw), err)
		}
		for how, secret := range map[string]string{
			"as it is": id, "in hex": hex.EncodeToString(raw), "its text in hex": hex.EncodeToString([]byte(id)),
			"in base64": base64.StdEncoding.EncodeToString(raw), "its text in base64": base64.RawStdEncoding.EncodeToString([]byte(id)),
			"its bytes": string(raw),
		} {
			if strings.Contains(text, secret) || strings.Contains(lower, strings.ToLower(secret)) {
				t.Errorf("%s holds an id %s", what, how)
			}
		}
	}
}
