package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// written is a writer that was written to past the one that a handler is given, as gin's
// tells.
type written struct{ http.ResponseWriter }

func (written) Written() bool { return true }

// SEC-29: each thing that happens is told once.
func TestSEC29Events(t *testing.T) {
	nothing := func(*session.Session) error { return nil }
	later := func() time.Time { return time.Now().Add(31 * 24 * time.Hour) } // the store would be quicker
	limit := session.Options{MaxPerOwner: session.MaxPerOwner{N: 1}}
	for _, c := range []struct {
		kind session.Kind
		opts session.Options
		do   func(t *testing.T, st *site, b *browser)
	}{
		{session.Created, session.Options{}, func(_ *testing.T, st *site, _ *browser) { st.browser().visit() }},
		{session.Renewed, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.use(func(s *session.Session) error { return s.Renew(0) })
		}},
		{session.Ended, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.use(func(s *session.Session) error { return s.Destroy() })
		}},
		{session.EndedAll, session.Options{}, func(t *testing.T, st *site, _ *browser) {
			wantErr(t, "EndAll", st.manager.EndAll(ctx, "alice"), nil)
		}},
		{session.Expired, session.Options{Now: later}, func(_ *testing.T, _ *site, b *browser) { b.use(nothing) }},
		{session.UnknownID, session.Options{}, func(_ *testing.T, st *site, b *browser) {
			b.clone().use(func(s *session.Session) error { return s.Destroy() })
			st.told()
			b.use(nothing)
		}},
		{session.Reused, session.Options{}, func(_ *testing.T, st *site, b *browser) {
			old := b.clone()
			b.use(func(s *session.Session) error { return s.Renew(0) })
			st.told()
			old.use(nothing)
		}},
		{session.Malformed, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.cookie = cookieName + "=x"
			b.use(nothing)
		}},
		{session.Ambiguous, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.cookie += "; " + b.cookie
			b.use(nothing)
		}},
		{session.Limit, limit, func(t *testing.T, st *site, b *browser) {
			b.use(func(s *session.Session) error { return s.SetOwner("alice") })
			st.told()
			st.browser().use(func(s *session.Session) error {
				wantErr(t, "SetOwner", s.SetOwner("alice"), session.ErrLimit)
				return nil
			})
		}},
		{session.Conflict, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.use(func(s *session.Session) error { b.clone().visit(); return name.Set(s, "x") })
		}},
		{session.Gone, session.Options{}, func(_ *testing.T, st *site, b *browser) {
			b.use(func(s *session.Session) error {
				b.clone().use(func(s *session.Session) error { return s.Destroy() })
				st.told()
				return visits.Set(s, 5)
			})
		}},
		{session.Unreadable, session.Options{}, func(_ *testing.T, _ *site, b *browser) {
			b.use(func(s *session.Session) error { session.NewKey[[]string]("visits").Get(s); return nil })
		}},
		{session.LoadError, session.Options{}, func(t *testing.T, st *site, b *browser) {
			defer st.store.Fail(faulty.Fault{})()
			b.ask(st.manager.OrAnonymous(exit(t, nothing)), httptest.NewRequest("GET", "/", nil))
		}},
		{session.TouchError, session.Options{}, func(_ *testing.T, st *site, b *browser) {
			st.plant(time.Hour)
			defer st.store.Fail(faulty.Fault{Verb: faulty.Touch})()
			b.use(nothing)
		}},
		{session.SaveError, session.Options{}, func(_ *testing.T, st *site, b *browser) {
			defer st.store.Fail(faulty.Fault{Verb: faulty.Update})()
			b.visit()
		}},
		{session.Bypassed, session.Options{}, func(t *testing.T, st *site, _ *browser) {
			w := httptest.NewRecorder()
			st.manager.Handler(exit(t, func(s *session.Session) error { return visits.Set(s, 1) })).ServeHTTP(written{w}, httptest.NewRequest("GET", "/", nil))
			if st.sessions() != 1 || w.Header().Get("Set-Cookie") != "" {
				t.Error("a session was stored that nobody has the id of")
			}
		}},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := memory.New(nil)
				b := newSiteOn(t, shared, session.Options{}).browser()
				b.visit()
				st := newSiteOn(t, shared, c.opts)
				b.site = st
				c.do(t, st, b)
				if got := st.told(); !slices.Equal(got, []session.Kind{c.kind}) {
					t.Errorf("events: %v, want %v", got, c.kind)
				}
			})
		})
	}
}

// The first request over plain http from elsewhere than this machine, once.
func TestSEC29Insecure(t *testing.T) {
	insecure := func(st *site) (n int) {
		st.mu.Lock()
		defer st.mu.Unlock()
		for _, e := range st.events {
			if e.Kind == session.Insecure {
				n++
				if e.Err == nil {
					t.Error("it does not say what to do")
				}
			}
		}
		return n
	}
	for what, c := range map[string]struct {
		target, from string
		header       [2]string
		plain        bool
		want         int
	}{
		"http":                {"http://example.com/", "192.0.2.1:1", [2]string{}, false, 1},
		"https":               {"https://example.com/", "192.0.2.1:1", [2]string{}, false, 0},
		"this machine":        {"http://localhost/", "127.0.0.1:1", [2]string{}, false, 0},
		"this machine, IPv6":  {"http://localhost/", "[::1]:1", [2]string{}, false, 0},
		"a proxy in front":    {"http://example.com/", "192.0.2.1:1", [2]string{"X-Forwarded-Proto", "https"}, false, 0},
		"another in front":    {"http://example.com/", "192.0.2.1:1", [2]string{"Forwarded", "for=1;Proto=https"}, false, 0},
		"quoted":              {"http://example.com/", "192.0.2.1:1", [2]string{"Forwarded", `for=1;proto="https"`}, false, 0},
		"two proxies":         {"http://example.com/", "192.0.2.1:1", [2]string{"X-Forwarded-Proto", "https, http"}, false, 0},
		"two, over http":      {"http://example.com/", "192.0.2.1:1", [2]string{"X-Forwarded-Proto", "http,https"}, false, 1},
		"a proxy, over http":  {"http://example.com/", "192.0.2.1:1", [2]string{"X-Forwarded-Proto", "http"}, false, 1},
		"asked for":           {"http://example.com/", "192.0.2.1:1", [2]string{}, true, 0},
		"no address is known": {"http://example.com/", "@", [2]string{}, false, 0},
	} {
		st := newSite(t, session.Options{Cookie: session.Cookie{PlainHTTP: c.plain}})
		for range 3 {
			r := httptest.NewRequest("GET", c.target, nil)
			r.RemoteAddr = c.from
			if c.header[0] != "" {
				r.Header.Set(c.header[0], c.header[1])
			}
			st.browser().ask(exit(t, func(*session.Session) error { return nil }), r)
		}
		if n := insecure(st); n != c.want {
			t.Errorf("%s: %d events, want %d", what, n, c.want)
		}
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	log := session.Log(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log(ctx, session.Event{Kind: session.Created})
	log(ctx, session.Event{Kind: session.SaveError, Err: errors.New("why")})
	log(ctx, session.Event{Kind: session.Malformed})
	log(ctx, session.Event{Kind: session.Conflict})
	var got []string
	for line := range strings.Lines(out.String()) {
		var e struct{ Level, Msg, Error string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Level, " ", e.Msg, " ", e.Error))
	}
	want := []string{"INFO session created ", "ERROR session save why", "WARN session malformed ", "DEBUG session conflict "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}

	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	out.Reset()
	session.Log(nil)(ctx, session.Event{Kind: session.Ended})
	if !strings.Contains(out.String(), "session ended") {
		t.Errorf("without a logger: %q", out.String())
	}
}
