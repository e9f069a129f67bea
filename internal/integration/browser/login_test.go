package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
)

// TestLogin is one site and one Chromium, in which each scene has browsers of its own.
func TestLogin(t *testing.T) {
	b, url := open(t), start(t)
	for name, scene := range map[string]func(t *testing.T, b *browsers, url string){
		"Pages":                        pages,
		"EndTheOtherDevice":            endTheOtherDevice,
		"SEC09CookieIsOutOfReach":      cookieIsOutOfReach,
		"SEC14CookieOfBeforeTheLogin":  cookieOfBeforeTheLogin,
		"SEC15BackAfterLogout":         backAfterLogout,
		"BackBringsBackWhatIsNoSecret": backBringsBack,
	} {
		t.Run(name, func(t *testing.T) { scene(t, b, url) })
	}
}

// Two browsers, one person: each is in the list of the other, and the one that is ended is
// out at its next click.
func endTheOtherDevice(t *testing.T, b *browsers, url string) {
	here, there := b.person(t, url), b.person(t, url)
	here.login("alice", "wonderland")
	here.visit("/devices")
	if n := here.devices(); n != 1 {
		t.Errorf("%d devices, want 1", n)
	}
	there.login("alice", "wonderland")
	there.visit("/devices")
	here.click(`nav a[href="/devices"]`)
	for _, p := range []*person{here, there} {
		if n := p.devices(); n != 2 {
			t.Fatalf("%d devices, want 2", n)
		}
		if n := eval[int](p, `document.querySelectorAll(".devices li.current").length`); n != 1 {
			t.Errorf("%d of them are this one", n)
		}
	}
	here.picture("devices")
	here.click(".devices li:not(.current) button")
	here.at("/devices")
	here.is("alice")
	if n := here.devices(); n != 1 {
		t.Errorf("%d devices after the end of the other, want 1", n)
	}
	here.picture("devices-ended")
	there.click(`nav a[href="/welcome"]`)
	there.at("/auth/login")
	there.is("")
	here.visit("/welcome")
	here.is("alice")
}

// All that a person sees, kept as pictures.
func pages(t *testing.T, b *browsers, url string) {
	p := b.person(t, url)
	p.visit("/")
	p.is("")
	p.picture("home")
	p.click(`main a[href="/auth/login"]`)
	p.at("/auth/login")
	p.picture("login")
	fill := fmt.Sprintf(`(() => { username.value = "bob"; password.value = %q; document.querySelector("main form").requestSubmit() })()`, "wrong")
	p.submit(fill)
	p.is("")
	if !strings.Contains(eval[string](p, "document.body.innerText"), "is wrong") {
		t.Error("a wrong password: the page does not say so")
	}
	p.picture("login-refused")
	p.visit("/account") // and is sent to the login and back
	p.at("/auth/login")
	p.submit(strings.ReplaceAll(fill, "wrong", "builder"))
	p.at("/account")
	p.is("bob")
	p.picture("account")
	p.visit("/welcome")
	p.picture("welcome")
	p.visit("/")
	p.is("bob")
	p.picture("home-known")
	p.visit("/nowhere")
	p.picture("nowhere")
}

// SEC-09: the cookie as the browser has it. A script in the page can neither read it, nor
// plant one of its name, nor change the one that is there.
func cookieIsOutOfReach(t *testing.T, b *browsers, url string) {
	p := b.person(t, url)
	const planted = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE" // as long as one of ours, in the same alphabet
	attempts := func() {
		t.Helper()
		for _, attributes := range []string{"", "; Secure; Path=/", "; Secure; Path=/auth", "; Secure; HttpOnly; Path=/; SameSite=Lax"} {
			eval[string](p, fmt.Sprintf("document.cookie = %q", "__Host-Http-session="+planted+attributes))
		}
		said := eval[string](p, fmt.Sprintf(`cookieStore.set({name: "__Host-Http-session", value: %q}).then(() => "set", e => "refused")`, planted))
		if said != "refused" {
			t.Errorf("cookieStore has %s it", said)
		}
		if text := eval[string](p, `document.cookie`); text != "" {
			t.Error("a script reads a cookie")
		}
		if n := eval[int](p, `cookieStore.getAll().then(all => all.length)`); n != 0 {
			t.Errorf("cookieStore shows %d cookies", n)
		}
	}
	p.visit("/static/icon.svg") // a page of the site that sets none
	attempts()
	if all := p.cookies(); len(all) != 0 {
		t.Errorf("a script has planted %s", all[0].Name)
	}
	p.login("bob", "builder")
	c := p.cookie()
	if c.Name != "__Host-Http-session" || !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Path != "/" ||
		c.Domain != "127.0.0.1" || !c.Session {
		c.Value = "…"
		t.Errorf("the cookie is %+v", c)
	}
	attempts()
	if now := p.cookie(); now.Value != c.Value {
		t.Error("a script has changed the cookie")
	}
	p.visit("/welcome")
	p.is("bob")

	// What was tried is what works for another name.
	eval[string](p, `document.cookie = "plain=1; Secure; Path=/"`)
	if text := eval[string](p, `document.cookie`); text != "plain=1" {
		t.Errorf("a script cannot set any cookie (%q): this shows nothing", text)
	}
}

// SEC-15: after the logout the Back button shows nothing of what only the person may see,
// from whichever page it was; and a copy of the cookie is worth nothing.
func backAfterLogout(t *testing.T, b *browsers, url string) {
	for _, path := range []string{"/welcome", "/devices", "/account"} {
		p, thief := b.person(t, url), b.person(t, url)
		p.login("bob", "builder")
		if path != "/welcome" {
			p.visit(path)
		}
		p.is("bob")
		copied := p.cookie()
		thief.steal(copied)
		thief.visit(path)
		thief.is("bob") // a copy is worth something, until the logout
		p.logout()
		if came := p.back(); came != page.NavigationTypeNavigation {
			t.Errorf("%s came back by %s", path, came)
		}
		p.is("")
		if n := eval[int](p, `document.querySelectorAll(".devices, dl").length`); n != 0 {
			t.Errorf("Back to %s shows what is private", path)
		}
		p.at("/auth/login") // where those are sent who are nobody
		thief.visit(path)
		thief.at("/auth/login")
		thief.is("")
		if path == "/welcome" {
			p.picture("back")
		}
	}
}

// The Back button does bring back pages as they were in this browser, so that it means
// something where it does not.
func backBringsBack(t *testing.T, b *browsers, _ string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>"+r.URL.Path+"</title>")
	}))
	defer srv.Close()
	p := b.person(t, srv.URL)
	p.visit("/one")
	p.visit("/two")
	if came := p.back(); came != page.NavigationTypeBackForwardCacheRestore {
		t.Errorf("the page came back by %s: without a back/forward cache SEC-15 shows less than it says", came)
	}
	p.at("/one")
}

// SEC-14: a cookie that was copied before the login, or planted for it, is worth nothing
// after.
func cookieOfBeforeTheLogin(t *testing.T, b *browsers, url string) {
	p, thief := b.person(t, url), b.person(t, url)
	p.visit("/")
	before := p.cookie()
	thief.steal(before)
	thief.visit("/")
	if n := eval[string](thief, "visits.textContent"); n != "2" {
		t.Errorf("the copy has %s visits, want that of the owner and its own", n)
	}
	p.login("bob", "builder")
	after := p.cookie()
	if after.Value == before.Value {
		t.Error("the login has left the id as it was")
	}
	thief.visit("/welcome")
	thief.at("/auth/login")
	thief.is("")
	thief.visit("/")
	thief.is("")
	p.visit("/welcome")
	p.is("bob")
	other := b.person(t, url)
	other.steal(after) // the copy is made as it should be: this one is good
	other.visit("/welcome")
	other.is("bob")
}
