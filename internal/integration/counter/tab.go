package counter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// Tab is a browser as far as the counter needs one: net/http's cookie jar keeps
// Secure cookies off plain http, which browsers send to localhost.
type Tab struct{ Cookie *http.Cookie }

// transport keeps as many connections to each counter as there are requests at once; the
// default one makes most of them anew.
var transport = &http.Transport{MaxIdleConnsPerHost: 32}

// errBusy is an answer that says to try again: the store was not quick enough.
var errBusy = errors.New("busy")

// Do asks a counter and returns the visits that it tells.
func (b *Tab) Do(ctx context.Context, method, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "application/json")
	if b.Cookie != nil {
		r.AddCookie(b.Cookie)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	for _, c := range res.Cookies() {
		if b.Cookie = c; c.MaxAge < 0 {
			b.Cookie = nil
		}
	}
	var state struct{ Visits int }
	switch {
	case method == "POST" && res.StatusCode == http.StatusSeeOther:
		return 0, nil
	case res.StatusCode == http.StatusServiceUnavailable:
		return 0, fmt.Errorf("%w: %s: %s", errBusy, res.Status, body)
	case res.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s: %s", res.Status, body)
	}
	return state.Visits, json.Unmarshal(body, &state)
}

// Visits wants a visit to be the n-th.
func (b *Tab) Visits(t *testing.T, url string, n int) {
	t.Helper()
	if got, err := b.Do(t.Context(), "GET", url); got != n || err != nil {
		t.Errorf("visit %d, want %d; %v", got, n, err)
	}
}
