package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client keeps more connections than [http.DefaultTransport], which many tabs at once
// would have open new ones, and does nothing twice.
var client = &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Minute}

// tab is a browser with one cookie: net/http's jar keeps Secure ones off plain http.
type tab struct{ cookie string }

// answer is one that a site has given.
type answer struct {
	reply
	status int
	cookie string // that was set; "" is none, or one that ends it
}

// ask has a site do a verb, and takes over the cookie. Further arguments are names and
// values of a form.
func (b *tab) ask(ctx context.Context, s *site, verb string, form ...string) (answer, error) {
	q := url.Values{}
	for i := 0; i < len(form); i += 2 {
		q.Set(form[i], form[i+1])
	}
	r, err := http.NewRequestWithContext(ctx, "POST", s.url+"/"+strings.ReplaceAll(verb, " ", "-")+"?"+q.Encode(), nil)
	if err != nil {
		return answer{}, err
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	res, err := client.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode}
	a.cookie = b.take(res)
	if res.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s: %w", verb, text, status(res.StatusCode))
	}
	if err := json.Unmarshal(text, &a.reply); err != nil {
		return a, err
	}
	if a.Err != "" {
		err = errors.New(a.Err)
	}
	return a, err
}

// status is an answer other than 200.
type status int

func (s status) Error() string { return http.StatusText(int(s)) }

// must is ask, of which an error ends the test.
func (b *tab) must(t *testing.T, s *site, verb string, form ...string) answer {
	t.Helper()
	a, err := b.ask(t.Context(), s, verb, form...)
	if err != nil {
		t.Fatalf("%s: %v", verb, err)
	}
	return a
}

// take takes over the cookie of a response, and returns it, "" if there is none.
func (b *tab) take(res *http.Response) (set string) {
	for _, c := range res.Cookies() {
		set = ""
		if c.MaxAge >= 0 {
			set = c.Name + "=" + c.Value
			issued(c.Value)
		}
		b.cookie = set
	}
	return set
}

// get asks for a page that is no verb's, and takes over the cookie. It returns the status.
func (b *tab) get(ctx context.Context, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, err
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	res, err := client.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b.take(res)
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// fine wants a page to be there.
func (b *tab) fine(t *testing.T, url string) {
	t.Helper()
	if code, err := b.get(t.Context(), url); code != http.StatusOK || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}
