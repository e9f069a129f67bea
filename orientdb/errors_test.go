package orientdb_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// What the server refuses is told by what it means and what to do, without its text, which
// quotes ids and values (ID-3), and is sent again only where that may help.
func TestRefusals(t *testing.T) {
	const secret = "s:an-id-of-somebody"
	core := "com.orientechnologies.orient.core."
	for _, c := range []struct {
		status       int
		content      string
		kind         error // of package store
		says         string
		again, sends int // how often a load and a delete are sent
	}{
		{401, "401 Unauthorized.", nil, "wrong user or password", 4, 4},
		{403, "", nil, "lacks the right", 1, 1},
		{403, core + "exception.OSecurityAccessException: User lacks permission on " + secret, nil, "lacks the right (403 OSecurityAccessException)", 1, 1},
		{400, "Error parsing query: " + secret, nil, "not OrientDB 3", 1, 1},
		{400, "", nil, "does the address want https?", 1, 1},
		{404, "", nil, "no OrientDB at the address", 1, 1},
		{500, core + "exception.OCommandExecutionException: Class not found: " + secret, nil, "call Store.Migrate", 1, 1},
		{500, core + "exception.OValidationException: The field " + secret, nil, "a rule of the class", 1, 1},
		{500, core + "exception.OLowDiskSpaceException: Error " + secret, store.ErrFull, "nearly full", 1, 1},
		{500, "java.io.IOException: No space left on device", store.ErrFull, "the server's disk is full", 4, 1},
		{500, "java.lang.NullPointerException: " + secret, nil, "error of the server (500 NullPointerException)", 4, 4},
		{500, secret, nil, "error of the server (500 Internal Server Error)", 4, 4},
		{502, "", nil, "error of the server (502 Bad Gateway)", 4, 4},
		{302, "", nil, "it sends elsewhere", 1, 1},
	} {
		st := newStub(t, func(_ int, w http.ResponseWriter) { refuse(w, c.status, c.content) })
		s := st.open(t, nil)
		_, err := s.Load(t.Context(), "a")
		loads := len(st.all())
		deleted := s.Delete(t.Context(), "a")
		if n := len(st.all()) - loads; loads != c.again || n != c.sends {
			t.Errorf("%d %s: a load was sent %d times, a delete %d times; want %d, %d", c.status, c.content, loads, n, c.again, c.sends)
		}
		for what, err := range map[string]error{"load": err, "delete": deleted} {
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("%d %s: %s: %v, want it to say %q", c.status, c.content, what, err, c.says)
			}
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%d %s: %s says something of the session: %v", c.status, c.content, what, err)
			}
		}
		if c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("%d %s: %v, want %v", c.status, c.content, err, c.kind)
		}
		if c.kind != nil && !errors.Is(deleted, c.kind) {
			t.Errorf("%d %s: delete: %v, want %v", c.status, c.content, deleted, c.kind)
		}
		// What was answered with an error of which nobody knows whether it came before the write.
		unclear := c.again > 1 && c.status != 401
		if unknown := errors.Is(deleted, store.ErrUnknown); unknown != unclear {
			t.Errorf("%d %s: delete: %v", c.status, c.content, deleted)
		}
	}
}

// What answers is not OrientDB, or answers without end.
func TestOtherServers(t *testing.T) {
	endless := strings.Repeat(" ", 1<<20)
	for says, answer := range map[string]http.HandlerFunc{
		"something else at the address": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"is not one of OrientDB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"answer":42}`)
		},
		"longer than the largest session": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := io.WriteString(w, endless); err != nil {
					return
				}
			}
		},
	} {
		srv := httptest.NewServer(answer)
		s, err := orientdb.New(&orientdb.Database{URL: srv.URL, Name: "app", User: "u"}, &orientdb.Options{Timeout: time.Minute, SweepEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
		_ = s.Close()
		srv.Close()
	}
}

// Nobody is there, or not with a certificate that anybody has signed.
func TestNoServer(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	unsigned := httptest.NewUnstartedServer(http.NotFoundHandler())
	unsigned.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	unsigned.Config.ErrorLog = discard
	unsigned.StartTLS()
	defer unsigned.Close()
	plain := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, "[]") })
	full, err := net.Listen("tcp", "127.0.0.1:0") // it never accepts, and so never begins to speak TLS
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for url, says := range map[string]string{
		"http://" + closed.Addr().String():                    "connection refused",
		"https://" + full.Addr().String():                     "deadline exceeded",
		"https://" + strings.TrimPrefix(plain.URL, "http://"): "does not speak TLS there",
		unsigned.URL: "the server's certificate",
	} {
		timeout := 10 * time.Second // longer than anything here takes
		if says == "connection refused" || says == "deadline exceeded" {
			timeout = 100 * time.Millisecond // for as long as that it is tried
		}
		s, err := orientdb.New(&orientdb.Database{URL: url, Name: "app", User: "u", Password: "a-password"}, &orientdb.Options{Timeout: timeout, SweepEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Delete(t.Context(), "a")
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "a-password") || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%v, want it to say %q", err, says)
		}
		_ = s.Close()
	}
}
