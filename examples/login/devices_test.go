package main

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestDevices(t *testing.T) {
	base, _ := serve(t)
	desk, phone, tablet, bob := browser(t, base), browser(t, base), browser(t, base), browser(t, base)
	phone.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	tablet.agent = `<script>alert(1)</script>`
	desk.login("alice", "wonderland")
	phone.login("alice", "wonderland", "remember=on")
	tablet.login("alice", "wonderland")
	bob.login("bob", "builder")

	a := desk.look("/devices")
	if len(a.Devices) != 3 {
		t.Fatalf("devices: %s", a.body)
	}
	handles := map[string]string{}
	for _, d := range a.Devices {
		handles[d.Device] = d.Handle
		if d.Current != (d.Device == "Firefox on Linux, 127.0.0.1") || d.Remembered != strings.Contains(d.Device, "iPhone") || time.Since(d.Since) > time.Minute || time.Since(d.Seen) > time.Minute {
			t.Errorf("%+v", d)
		}
	}
	if handles["Safari on iPhone, 127.0.0.1"] == "" || handles["Unknown browser, 127.0.0.1"] == "" {
		t.Fatalf("devices: %s", a.body)
	}
	page := desk.get("/devices")
	if n := strings.Count(page.body, "This one"); n != 1 || strings.Contains(page.body, "<script") || strings.Count(page.body, `<time datetime="20`) != 6 {
		t.Errorf("%d are this one:\n%s", n, page.body)
	}

	// Another user's handle is like one that there is not.
	bobs := bob.look("/devices").Devices[0].Handle
	for what, handle := range map[string]string{"bob's": bobs, "unknown": "AAAAAAAAAAAAAAAAAAAAAA", "none": "", "id": desk.id(), "injected": "' OR 1=1--"} {
		a := desk.post("/devices/end", url.Values{"handle": {handle}})
		if a.want(t, 404, "You have no such session."); strings.Count(a.body, "</li>") != 3 {
			t.Errorf("%s: the list is not there:\n%s", what, a.body)
		}
		if a := desk.post("/devices/end", url.Values{"handle": {handle}}, asJSON); a.StatusCode != 404 || a.view.Error == "" || len(a.Devices) != 3 {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
	}
	bob.look("/").shows(t, "bob", 2)

	desk.post("/devices/end", url.Values{"handle": {handles["Safari on iPhone, 127.0.0.1"]}}).leads(t, "/devices")
	desk.get("/devices").want(t, 200, "That session is ended.")
	if a := desk.get("/devices"); strings.Contains(a.body, "That session is ended.") || strings.Count(a.body, "</li>") != 2 {
		t.Errorf("the list afterwards:\n%s", a.body)
	}
	phone.get("/welcome").leads(t, "/auth/login?return=%2Fwelcome")
	phone.look("/").shows(t, "", 1)

	phone.login("alice", "wonderland")
	desk.post("/devices/end-others", nil).leads(t, "/devices")
	if a := desk.look("/devices"); len(a.Devices) != 1 || !a.Devices[0].Current || a.Notice == "" {
		t.Errorf("after the end of all others: %s", a.body)
	}
	for _, c := range []*client{phone, tablet} {
		if a := c.look("/welcome"); a.StatusCode != 401 {
			t.Errorf("still in: %s", a.body)
		}
	}
	phone.login("alice", "wonderland")
	if a := desk.post("/devices/end-others", nil, asJSON); a.User != "alice" || len(a.Devices) != 1 {
		t.Errorf("as JSON: %d %s", a.StatusCode, a.body)
	}
	phone.login("alice", "wonderland")
	handle := desk.look("/devices").Devices
	for _, d := range handle {
		if !d.Current {
			if a := desk.post("/devices/end", url.Values{"handle": {d.Handle}}, asJSON); a.StatusCode != 200 || len(a.Devices) != 1 {
				t.Errorf("as JSON: %d %s", a.StatusCode, a.body)
			}
		}
	}

	own := desk.look("/devices").Devices[0].Handle
	desk.post("/devices/end", url.Values{"handle": {own}}).leads(t, "/")
	if desk.id() != "" || desk.look("/welcome").StatusCode != 401 {
		t.Error("the end of the own session is no logout")
	}
	for _, path := range []string{"/devices/end", "/devices/end-others"} {
		desk.post(path, url.Values{"handle": {bobs}}).leads(t, "/auth/login")
		if a := desk.post(path, url.Values{"handle": {bobs}}, asJSON); a.StatusCode != 401 {
			t.Errorf("nobody at %s: %d", path, a.StatusCode)
		}
	}
	bob.look("/").shows(t, "bob", 3)
}

func TestNote(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge on Windows, 192.0.2.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":         "Safari on Mac, 192.0.2.1",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":               "Chrome on Android, 192.0.2.1",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                "Chrome on ChromeOS, 192.0.2.1",
		"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome on iPad, 192.0.2.1",
		"curl/8.14.1": "curl, 192.0.2.1",
		"":            "Unknown browser, 192.0.2.1",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", agent)
		if got := note(r); got != want {
			t.Errorf("%s: got %q, want %q", agent, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[::ffff:198.51.100.7]:4711"
	r.Header.Set("X-Forwarded-For", "6.6.6.6") // anybody can say so
	if got := note(r); got != "Unknown browser, 198.51.100.7" {
		t.Errorf("got %q", got)
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 59 * time.Minute: "59 minutes ago",
		time.Hour: "1 hour ago", 47 * time.Hour: "1 day ago", 49 * time.Hour: "2 days ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
