package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

func TestLogin(t *testing.T) {
	sessions, err := session.New(memory.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sessions.Handler(routes(sessions)))
	defer srv.Close()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}

	want := func(text string) func(*http.Response, error) {
		return func(res *http.Response, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != text+"\n" {
				t.Errorf("got %q, %v, want %q", b, err, text)
			}
		}
	}
	want("hello stranger. ")(browser.Get(srv.URL))
	want("hello alice. You are logged in.")(browser.PostForm(srv.URL+"/login", url.Values{"name": {"alice"}}))
	want("hello alice. ")(browser.Get(srv.URL))
	want("hello stranger. ")(browser.PostForm(srv.URL+"/logout", nil))
	want("hello stranger. ")(browser.Get(srv.URL))
}
