package sessions_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// SEC-16, one order that chance finds once in a thousand times: a logout comes when a renewal
// has given up the old id and not yet made the new one. Before the renewal finds out,
// another request, which came with the old id within its grace, has renewed the new one in
// turn. What that led to has ended too.
func TestSEC16LogoutAmidTwoRenewals(t *testing.T) {
	t.Parallel()
	x := &points{Store: memory.New(nil), at: nowhere}
	m, err := session.New(x, &session.Options{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	type name struct{}
	var first tab
	serve := func(who string, f func(s *session.Session) error) (b tab) {
		b = first
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), name{}, who), "GET", "/", nil)
		if b.cookie != "" {
			r.Header.Set("Cookie", b.cookie)
		}
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err == nil {
				err = f(s)
			}
			if err != nil {
				t.Errorf("%s: %v", who, err)
			}
		})).ServeHTTP(w, r)
		b.take(w.Result())
		return b
	}
	first = serve("begin", func(s *session.Session) error { return s.SetOwner("Marie") })

	// Each is closed when that has happened.
	type event chan struct{}
	loaded, forwarded, missed, created, ended, renewed := make(event), make(event), make(event), make(event), make(event), make(event)
	loads := 0 // of the second renewal: the forward, and what it leads to, twice
	x.at = func(ctx context.Context, what string) {
		switch who, _ := ctx.Value(name{}).(string); who + ": " + what {
		case "first renewal: Create":
			close(forwarded)
			<-ended
		case "first renewal: Create done":
			close(created)
		case "first renewal: Touch":
			<-renewed
		case "second renewal: Load":
			if loads++; loads == 3 {
				close(missed)
				<-created
			}
		}
	}
	var last tab
	var wg sync.WaitGroup
	wg.Go(func() {
		serve("logout", func(s *session.Session) error {
			close(loaded)
			<-missed
			defer close(ended)
			return s.Destroy()
		})
	})
	<-loaded
	wg.Go(func() { serve("first renewal", func(s *session.Session) error { return s.Renew(time.Minute) }) })
	<-forwarded
	wg.Go(func() {
		defer close(renewed)
		last = serve("second renewal", func(s *session.Session) error {
			if s.New() {
				t.Error("the second renewal has found no session: this shows nothing")
			}
			return s.Renew(0)
		})
	})
	wg.Wait()
	if loads < 3 {
		t.Errorf("the second renewal has loaded %d times: this shows nothing", loads)
	}
	for what, b := range map[string]tab{"first": first, "last": last} {
		first = b
		serve("afterwards", func(s *session.Session) error {
			if !s.New() {
				t.Errorf("after the logout the %s cookie stands for a session of %s", what, s.Owner())
			}
			return nil
		})
	}
	if all := owned(t, x.Store, "Marie"); len(all) != 0 {
		t.Errorf("the owner has %d sessions, want none", len(all))
	}
}
