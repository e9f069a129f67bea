package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/session/sessiontest"
)

func TestLogin(t *testing.T) {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	site := sessions.Handler(routes(sessions))
	client := sessiontest.NewClient(site)

	want := func(c *sessiontest.Client, path, text string) {
		t.Helper()
		if got := c.Get(path).Body.String(); got != text {
			t.Errorf("%s: got %q, want %q", path, got, text)
		}
	}
	want(client, "/", "hello , visit 1. \n")
	before := client.Clone()
	if w := client.PostForm("/login", url.Values{"name": {"alice"}, "password": {"wrong"}}); w.Code != 401 {
		t.Errorf("a wrong password: %d", w.Code)
	}
	if w := client.Get("/devices"); w.Code != 303 || w.Header().Get("Location") != "/login?return=%2Fdevices" {
		t.Errorf("devices of nobody: %d to %s", w.Code, w.Header().Get("Location"))
	}
	w := client.PostForm("/login", url.Values{"name": {"alice"}, "password": {"opensesame"}, "remember": {"on"}, "return": {"/devices"}})
	if w.Code != 303 || w.Header().Get("Location") != "/devices" || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=") {
		t.Errorf("login: %d %v", w.Code, w.Header())
	}
	want(client, "/", "hello user:alice, visit 2. You are logged in.\n")
	want(client, "/", "hello user:alice, visit 3. \n")
	want(before, "/", "hello , visit 1. \n")
	want(client, "/status", "3\n")
	want(client, "/account", "3\n")

	// A second device, whose scene is set by the test.
	second := sessiontest.NewClient(site)
	if err := second.Use(sessions, func(s *session.Session) error { return login(s, "alice", false) }); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(client.Get("/devices").Body.String(), `"Handle"`); n != 2 {
		t.Errorf("%d devices, want 2", n)
	}
	if w := client.PostForm("/devices/end", url.Values{"handle": {"nobody's"}}); w.Code != 404 {
		t.Errorf("a handle that is none: %d", w.Code)
	}
	if w := before.PostForm("/devices/end-others", nil); w.Code != 303 {
		t.Errorf("a stranger ends others: %d", w.Code)
	}
	client.PostForm("/devices/end-others", nil)
	want(second, "/", "hello , visit 1. \n")
	client.PostForm("/logout", nil)
	want(client, "/", "hello , visit 1. \n")
}
