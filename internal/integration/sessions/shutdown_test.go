package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/counter"
	"github.com/sojourn-go/sojourn/internal/proxy"
)

// REL-18: the counter is told to end (SIGTERM) while sixteen browsers visit it. What is in
// flight is answered, and saved: the one that is started after it goes on with each count
// exactly where its browser saw it last. It ends with 0.
func TestREL18Shutdown(t *testing.T) {
	t.Parallel()
	program := counter.Build(t)
	servers(t, func(t *testing.T, p *place) {
		u, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		// Behind a proxy a visit takes long enough for many to be in flight.
		px := before(t)
		px.SetTarget(u.Host)
		u.Host = px.Addr()
		tabs := make([]visitor, 16)
		var inFlight int32 // on a busy machine a round may have none
		for range rounds(3, 30) {
			c := program.Start(t, u.String())
			for i := range tabs {
				if err := tabs[i].visit(t.Context(), c.URL); err != nil {
					t.Fatal(err)
				}
			}
			undo := px.Fail(proxy.Fault{Kind: proxy.Latency, Delay: 40 * time.Millisecond})
			var stopping atomic.Bool
			var after, refused atomic.Int32
			first := make(chan struct{}, len(tabs))
			var wg sync.WaitGroup
			for i := range tabs {
				wg.Go(func() {
					for {
						err := tabs[i].visit(t.Context(), c.URL)
						if err != nil {
							refused.Add(1)
							if !unheard(err) {
								t.Errorf("a visit: %v", err)
							}
							return
						}
						if stopping.Load() {
							after.Add(1)
						}
						select {
						case first <- struct{}{}:
						default:
						}
					}
				})
			}
			ended := make(chan struct{})
			go func() { wg.Wait(); close(ended) }()
			for range tabs {
				select {
				case <-first:
				case <-ended:
				}
			}
			stopping.Store(true)
			c.Stop(t) // which wants 0
			<-ended
			if undo() == 0 {
				t.Error("the store was not slow")
			}
			t.Logf("%d visits answered since the signal, %d browsers refused", after.Load(), refused.Load())
			inFlight += after.Load()
			c = program.Start(t, u.String())
			for i := range tabs {
				last := tabs[i].count
				if err := tabs[i].visit(t.Context(), c.URL); err != nil || tabs[i].count != last+1 {
					t.Errorf("browser %d: visit %d after %d; %v", i, tabs[i].count, last, err)
				}
			}
			c.Stop(t)
		}
		if inFlight == 0 {
			t.Error("nothing was in flight: this shows nothing")
		}
	})
}

// unheard reports whether a request has not reached the handler: nobody listens any more, the
// connection was still in the queue of those that nobody had accepted, or net/http read the
// request when the end had begun, and closed the connection without a word. That it
// changed nothing is what the counts show.
func unheard(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "read" || op.Op == "write") || errors.Is(err, io.EOF)
}

// visitor visits the counter, with a connection for each visit: one that is kept open may be
// closed by the server just when the next request comes.
type visitor struct {
	tab
	count int // as it was told last
}

var once = &http.Transport{DisableKeepAlives: true}

func (v *visitor) visit(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	res, err := once.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return status(res.StatusCode)
	}
	v.take(res)
	var state struct{ Visits int }
	if err := json.Unmarshal(text, &state); err != nil {
		return err
	}
	v.count = state.Visits
	return nil
}
