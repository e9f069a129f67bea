package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// note is what a user will know a login by: "Firefox on Linux, 192.0.2.7".
func note(r *http.Request) string {
	return browserName(r.UserAgent()) + ", " + address(r)
}

// address is where a request comes from. Behind a proxy that is the proxy: take what
// it says of the client (X-Forwarded-For) only if it is yours, since anybody can say so.
func address(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown address"
	}
	return at.Addr().Unmap().String()
}

// Browsers claim to be the ones before them, so the first that fits counts.
var (
	browsers = [][2]string{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Windows", "Windows"},
		{"Macintosh", "Mac"},
		{"Linux", "Linux"},
	}
)

func browserName(agent string) string {
	name, system := first(browsers, agent), first(systems, agent)
	switch {
	case name == "":
		return "Unknown browser"
	case system == "":
		return name
	}
	return name + " on " + system
}

func first(marks [][2]string, agent string) string {
	for _, m := range marks {
		if strings.Contains(agent, m[0]) {
			return m[1]
		}
	}
	return ""
}

// ago is how a person says how long ago something was.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return some(d, time.Minute, "minute")
	case d < 24*time.Hour:
		return some(d, time.Hour, "hour")
	}
	return some(d, 24*time.Hour, "day")
}

func some(d, unit time.Duration, name string) string {
	n := int(d / unit)
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s ago", n, name)
}
