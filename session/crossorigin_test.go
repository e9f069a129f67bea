package session_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// SEC-30: with http.CrossOriginProtection around, a request that another site's page
// makes is refused, changes nothing, and costs no call of the store; with it inside, it is
// refused as well. What one's own pages and programs send passes.
func TestSEC30CrossOriginProtection(t *testing.T) {
	for _, inside := range []bool{false, true} {
		st := newSite(t, session.Options{})
		b := st.browser()
		b.visit()
		protection := http.NewCrossOriginProtection()
		wrap := func(h http.Handler) http.Handler { return protection.Handler(st.manager.Handler(h)) }
		if inside {
			wrap = func(h http.Handler) http.Handler { return st.manager.Handler(protection.Handler(h)) }
		}
		h := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := visits.Update(load(t, r), plus1)
			if err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, n)
		}))
		for _, c := range []struct {
			method string
			header map[string]string
			code   int
		}{
			{"POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
			{"POST", map[string]string{"Sec-Fetch-Site": "same-site"}, 403}, // a subdomain, which SameSite=Lax lets through
			{"PUT", map[string]string{"Origin": "https://evil.example"}, 403},
			{"DELETE", map[string]string{"Origin": "null"}, 403},
			{"POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://example.com"}, 403},
			{"POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
			{"POST", map[string]string{"Origin": "https://example.com"}, 200},
			{"POST", nil, 200}, // no browser
			{"GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		} {
			calls := st.store.Calls("")
			r := httptest.NewRequest(c.method, "https://example.com/", nil)
			r.Header.Set("Cookie", b.cookie)
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.code {
				t.Errorf("%s %v: status %d, want %d", c.method, c.header, w.Code, c.code)
			}
			if n := st.store.Calls("") - calls; c.code == 403 && (n != 0 || len(w.Header()["Set-Cookie"]) > 0) || c.code == 200 && n == 0 {
				t.Errorf("%s %v: %d store calls", c.method, c.header, n)
			}
		}
		if n := b.visit(); n != 6 {
			t.Errorf("visit %d, want 6: one for each that passed", n)
		}
	}
}
