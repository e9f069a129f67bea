package session_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/session"
)

// leadsAway reports whether a browser that is told to go to ref leaves the host: the URL
// standard's parser (url.spec.whatwg.org), as far as it decides that, for a page of https.
func leadsAway(ref string) bool {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(ref)
	ref = strings.ReplaceAll(ref, `\`, "/") // in what comes before ? and #, which is all that decides
	if strings.HasPrefix(ref, "//") {
		return true
	}
	scheme, _, ok := strings.Cut(ref, ":")
	if !ok || scheme == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz", rune(scheme[0]|0x20)) {
		return false
	}
	return strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+-.") == ""
}

// No reference of up to six of the characters that matter leads to another host: not as
// it is, nor as http.Redirect writes it.
func TestNoOpenRedirect(t *testing.T) {
	parts := []string{"/", `\`, "\t", "\n", ".", ":", "@", "%5c", "%2f", "?", "#", "a", " ", "\u00a0", "\xff"}
	taken := 0
	var try func(ref string, left int)
	r := httptest.NewRequest("GET", "https://example.com/login/form", nil)
	try = func(ref string, left int) {
		r.Form = url.Values{"return": {ref}}
		if back := session.ReturnPath(r, ""); back != "" {
			taken++
			if back != ref || leadsAway(back) {
				t.Errorf("%q is taken, as %q", ref, back)
			}
			w := httptest.NewRecorder()
			http.Redirect(w, r, back, http.StatusSeeOther)
			if to := w.Header().Get("Location"); leadsAway(to) || !strings.HasPrefix(to, "/") {
				t.Errorf("%q: Location %q", ref, to)
			}
		}
		if left == 0 {
			return
		}
		for _, p := range parts {
			try(ref+p, left-1)
		}
	}
	for _, begin := range []string{"", "/", "//", `/\`, "/a", "/.", "/..", "/%", "https:", "javascript:"} {
		try(begin, 3)
	}
	if taken < 1000 {
		t.Errorf("only %d were taken", taken)
	}
	for ref, away := range map[string]bool{
		"//x": true, `/\x`: true, "/\t/x": true, " //x": true, "https:x": true, "JavaScript:x": true, "/a": false, "/a:b": false, "/%5cx": false, "?a:b": false, "/.//x": false,
	} {
		if leadsAway(ref) != away {
			t.Errorf("the test takes %q for %v", ref, !away)
		}
	}
}

func TestReturnPathIsAsLongAsARequestLineMayBe(t *testing.T) {
	st := newSite(t, session.Options{})
	long, longer := "/"+strings.Repeat("?", 2047), "/"+strings.Repeat("?", 2048)
	h := st.manager.Require(page, session.LoginAt("/login"))
	for back, want := range map[string]string{long: long, longer: "/home"} {
		w := st.browser().ask(h, httptest.NewRequest("GET", back, nil))
		to := w.Header().Get("Location")
		if w.Code != 303 || len(to) > 8000 {
			t.Errorf("status %d, a Location of %d bytes", w.Code, len(to))
		}
		if got := session.ReturnPath(httptest.NewRequest("GET", to, nil), "/home"); got != want {
			t.Errorf("%d bytes: the way back has %d, want %d", len(back), len(got), len(want))
		}
	}
}

// The browser knows the path from before StripPrefix, and comes back to it.
func TestReturnThroughStripPrefix(t *testing.T) {
	st := newSite(t, session.Options{})
	h := http.StripPrefix("/admin", st.manager.Require(page, session.LoginAt("/login?from=admin")))
	for target, want := range map[string]string{
		"/admin/users?page=2":                    "/admin/users?page=2",
		"/admin/a%2Fb":                           "/admin/a%2Fb",
		"http://elsewhere.example/admin/users?x": "/users?x", // in the form for proxies: the host is not taken over
	} {
		r := httptest.NewRequest("GET", target, nil)
		r.RequestURI = target
		w := st.browser().ask(h, r)
		if got, want := w.Header().Get("Location"), "/login?from=admin&return="+url.QueryEscape(want); w.Code != 303 || got != want {
			t.Errorf("%s: %d to %q, want %q", target, w.Code, got, want)
		}
	}
	// A request that a program has made, without a request line.
	r, err := http.NewRequest("GET", "https://example.com/users?x", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := st.browser().ask(st.manager.Require(page, session.LoginAt("/login")), r)
	if got := w.Header().Get("Location"); got != "/login?return=%2Fusers%3Fx" {
		t.Errorf("Location %q", got)
	}
}
