package frameworks_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
)

// framework is code of others that serves sessions. Each of its pages says what
// [says] says, and is another way to answer.
type framework struct {
	name   string
	routes func(t *testing.T, sessions *session.Manager) http.Handler
	pages  []page

	login, logout page // nil is POST to /login and /logout

	http1, http2 bool // only this one; neither is both
}

// TestStory has each framework go through the same: visitors, a login, clicks at once,
// a logout, and a store that fails.
func TestStory(t *testing.T) {
	for _, f := range frameworks {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if f.login == nil {
				f.login, f.logout = post("/login"), post("/logout")
			}
			if !f.http2 {
				t.Run("HTTP/1.1", func(t *testing.T) { newSite(t, f.routes, http1).story(&f) })
			}
			if !f.http1 {
				t.Run("HTTP/2", func(t *testing.T) { newSite(t, f.routes, http2).story(&f) })
			}
		})
	}
}

var frameworks = []framework{
	{name: "net/http", routes: standard, pages: []page{get("/"), get("/redirect"), get("/events"), get("/in-time")}},
	{name: "gin", routes: ginOutside, pages: []page{get("/json"), get("/redirect"), get("/stream"), get("/events"), get("/wrapped")}},
	{name: "chi", routes: chiOutside, pages: []page{get("/"), get("/compressed")}},
	{name: "chi inside", routes: chiInside, pages: []page{get("/"), get("/compressed")}},
	{name: "echo v4", routes: echo4Outside, pages: []page{get("/"), get("/redirect"), get("/stream")}},
	{name: "echo v4 inside", routes: echo4Inside, pages: []page{get("/"), get("/redirect"), get("/stream")}},
	{name: "echo v5", routes: echo5Outside, pages: []page{get("/"), get("/redirect"), get("/stream")}},
	{name: "echo v5 inside", routes: echo5Inside, pages: []page{get("/"), get("/redirect"), get("/stream")}},
	{name: "huma", routes: humaOutside, pages: []page{get("/page"), get("/visits"), get("/stream"), get("/events")}},
	{name: "connect", routes: connectOutside, pages: []page{call(), stream()}, login: rpc("Login"), logout: rpc("Logout")},
	{name: "connect, gRPC", routes: connectOutside, pages: []page{call(grpc), stream(grpc)}, login: rpc("Login", grpc), logout: rpc("Logout", grpc), http2: true},
	{name: "gorilla/websocket", routes: sockets, pages: []page{socket("/gorilla"), get("/")}, http1: true},
	{name: "coder/websocket", routes: sockets, pages: []page{socket("/coder"), get("/")}, http1: true},
	{name: "gin with websockets", routes: ginSockets, pages: []page{socket("/gorilla"), socket("/coder")}, http1: true},
	{name: "gateway", routes: gateway, pages: []page{get("/"), get("/stream")}},
	{name: "gateway with websockets", routes: gateway, pages: []page{socket("/coder"), get("/")}, http1: true},
	{name: "behind a proxy", routes: behind, pages: []page{get("/"), get("/redirect"), get("/events")}},
	{name: "behind a proxy with websockets", routes: behind, pages: []page{socket("/gorilla"), socket("/coder")}, http1: true},
}

func (x *site) story(f *framework) {
	x.t.Helper()
	for _, p := range f.pages {
		x.visitor(p)
	}
	x.person(f)
	for _, p := range f.pages {
		x.storeFails(p)
	}
	if n := x.told(session.Bypassed); n != 0 {
		x.t.Errorf("%d answers went past the manager", n)
	}
}

// visitor has a session from the first page on: the cookie arrives with it.
func (x *site) visitor(p page) {
	x.t.Helper()
	b := x.browser()
	x.wants(b, p, says(1, ""))
	if x.cookie(b) == "" {
		x.t.Errorf("%s: no cookie has arrived", p)
	}
	x.wants(b, p, says(2, ""))
}

// person logs in and out; a cookie of before either is worth nothing after it.
func (x *site) person(f *framework) {
	x.t.Helper()
	b := x.browser()
	first := f.pages[0]
	x.wants(b, first, says(1, ""))
	before := x.copied(b)
	x.wants(b, f.login, "")
	if x.cookie(b) == "" || x.cookie(b) == x.cookie(before) {
		x.t.Error("the login has not changed the id")
	}
	x.wants(b, first, says(2, "alice"))
	x.wants(before, first, says(1, ""))

	const clicks = 20
	var done sync.WaitGroup
	for i := range clicks {
		done.Go(func() { x.wants(b, f.pages[i%len(f.pages)], "of alice") })
	}
	done.Wait()
	x.wants(b, first, says(3+clicks, "alice"))

	stolen := x.copied(b)
	x.wants(b, f.logout, "")
	if x.cookie(b) != "" {
		x.t.Error("the logout has not cleared the cookie")
	}
	for _, p := range f.pages {
		x.wants(x.copied(stolen), p, says(1, ""))
	}
	x.wants(b, first, says(1, ""))
}

// storeFails at the save: whatever the kind of answer, it is 503, says nothing of the page,
// and leaves the cookie as it is (SEC-26, SEC-27).
func (x *site) storeFails(p page) {
	x.t.Helper()
	b := x.browser()
	for n, verb := range []string{faulty.Create, faulty.Update} {
		before := x.cookie(b)
		undo := x.store.Fail(faulty.Fault{Kind: faulty.Before, Verb: verb, Times: 1})
		text, err := p.ask(x, b)
		if struck := undo(); struck != 1 {
			x.t.Errorf("%s: the fault of %s has struck %d times", p, verb, struck)
		}
		if err != refused(http.StatusServiceUnavailable) || strings.Contains(text, "visit") {
			x.t.Errorf("%s, %s fails: %q, %v, want 503", p, verb, text, err)
		}
		if x.cookie(b) != before {
			x.t.Errorf("%s, %s fails: the cookie has changed", p, verb)
		}
		x.wants(b, p, says(n+1, ""))
	}
}

// says is what a page says.
func says(n int, owner string) string {
	if owner == "" {
		owner = "nobody"
	}
	return fmt.Sprintf("visit %d of %s", n, owner)
}
