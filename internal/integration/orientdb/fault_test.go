package orientdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// REL-08: whatever the network does, a call is answered or ends with its context, says
// nothing of sessions that it does not know, and works again once the network does.
func TestNetworkFaults(t *testing.T) {
	url := shared.URL(t)
	before := runtime.NumGoroutine()
	t.Run("all", func(t *testing.T) {
		for name, f := range map[string]proxy.Fault{
			"refuse":       {Kind: proxy.Refuse},
			"reset":        {Kind: proxy.Reset},
			"hole before":  {Kind: proxy.DropRequests},
			"hole behind":  {Kind: proxy.DropReplies},
			"half-close":   {Kind: proxy.HalfClose},
			"slow replies": {Kind: proxy.Slow, Side: proxy.Replies, Delay: time.Second},
			"slow":         {Kind: proxy.Slow, Delay: time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				x := newClass(t, url)
				network, client := x.behind(t)
				s := x.open(t, client)
				v := verbs.Theirs(t, s)
				undo := network.Fail(f)
				for what, call := range verbs.All(s, v) {
					verbs.Fails(t, what, call)
				}
				if undo() == 0 {
					t.Error("the fault never struck")
				}
				for began := time.Now(); ; {
					err := s.Ping(t.Context()) // of "a" nobody knows: a write may have arrived
					if err == nil {
						break
					}
					if time.Since(began) > 5*time.Second {
						t.Fatalf("5 s afterwards: %v", err)
					}
				}
			})
		}
	})
	// The clients are closed: what they and the calls had going has ended.
	for began := time.Now(); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// The connection breaks after each byte of a reply, and of a request, with a FIN, as if
// that were the end of it, or an RST. A write is made, and made once; a read is read whole.
func TestCutAtEachByte(t *testing.T) {
	t.Parallel()
	step := 17
	if full() {
		step = 1
	}
	for name, f := range map[string]proxy.Fault{
		"request":          {Side: proxy.Requests},
		"reply":            {Side: proxy.Replies},
		"reply with a FIN": {Side: proxy.Replies, FIN: true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newClass(t, shared.URL(t))
			network, client := x.behind(t)
			x.opts.Timeout = 10 * time.Second
			s := x.open(t, client)
			v := create(t, s, "n", "0")
			count := 0
			// cut makes a call whose bytes break off at n, and reports whether it has so many.
			cut := func(n int, call func() error) bool {
				f.Kind, f.Bytes = proxy.Cut, n
				undo := network.Fail(f)
				err := call()
				struck := undo()
				if err != nil {
					t.Fatalf("cut at byte %d: %v", n, err)
				}
				if struck == 0 && n < 100 {
					t.Fatalf("a call has %d bytes", n)
				}
				return struck > 0
			}
			read := func() error {
				e, err := s.Load(t.Context(), "n")
				if err == nil && (string(e.Data) != strconv.Itoa(count) || e.Revision != v) {
					err = fmt.Errorf("it reads %q of the revision %d, want %d of %d", e.Data, e.Revision, count, v)
				}
				return err
			}
			for n, more := 0, true; more; n += step {
				more = cut(n, func() error {
					next, err := s.Update(t.Context(), "n", store.Record{Data: []byte(strconv.Itoa(count + 1))}, hour, v)
					if err == nil {
						count, v = count+1, next
					}
					return err
				})
				more = cut(n, read) || more
			}
			for n, more := 0, true; more; n += 5 * step {
				id := fmt.Sprint("new", n)
				more = cut(n, func() error { _, err := s.Create(t.Context(), id, store.Record{}, hour); return err })
				more = cut(n, func() error { return s.Delete(t.Context(), id) }) || more
				if _, err := s.Load(t.Context(), id); err != store.ErrNotFound {
					t.Errorf("created and deleted: %v", err)
				}
			}
		})
	}
}

// A touch that came between a lost reply and the repeat is not undone by it.
func TestRepeatLeavesALaterTouchAlone(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	network, client := x.behind(t)
	s, other := x.open(t, client), x.open(t, nil)
	v := create(t, s, "a", "1")
	for id, write := range map[string]func() error{
		"b": func() error { _, err := s.Create(t.Context(), "b", store.Record{}, hour); return err },
		"a": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, hour, v); return err },
	} {
		undo := network.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
			if err := other.Touch(t.Context(), id, 9*hour); err != nil {
				t.Errorf("touch in between: %v", err)
			}
		}})
		err := write()
		if n := undo(); n != 1 || err != nil {
			t.Fatalf("%s: %v, the fault struck %d times", id, err, n)
		}
		if e, err := s.Load(t.Context(), id); err != nil || e.TTL < 8*hour {
			t.Errorf("%s: the life is %v after a touch to 9 h, %v", id, e.TTL, err)
		}
	}
}

// REL-09: somebody wrote between a lost reply, or a lost request, and the repeat. The store
// cannot tell whether its own write was there before that, and says so: never that it was a
// conflict, which is to say that it was not. Each write is there once, or not at all.
func TestForeignWriteBetween(t *testing.T) {
	t.Parallel()
	for kind, left := range map[proxy.Kind]string{proxy.LoseReply: "11", proxy.LoseRequest: "2"} {
		t.Run(string(kind), func(t *testing.T) {
			x := newClass(t, shared.URL(t))
			network, client := x.behind(t)
			s, other := x.open(t, client), x.open(t, nil)
			v := create(t, s, "a", "1")
			undo := network.Fail(proxy.Fault{Kind: kind, Between: func() {
				if err := visit(t.Context(), other, "a"); err != nil {
					t.Error(err)
				}
			}})
			_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("10")}, hour, v)
			if undo() != 1 {
				t.Fatal("the fault never struck")
			}
			want(t, "update", err, store.ErrUnknown)
			if errors.Is(err, store.ErrConflict) {
				t.Errorf("it says that it was not applied: %v", err)
			}
			if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != left {
				t.Errorf("%q, %v, want %s", e.Data, err, left)
			}
		})
	}
}

// The same of a create, in whose place somebody else's is, and of one that was ended since.
func TestForeignCreateBetween(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind proxy.Kind
		do   func(ctx context.Context, other store.Store) error
		want error
	}{
		"another's is there": {proxy.LoseRequest, func(ctx context.Context, other store.Store) error {
			_, err := other.Create(ctx, "a", store.Record{Data: []byte("theirs")}, hour)
			return err
		}, store.ErrUnknown},
		"it was updated": {proxy.LoseReply, func(ctx context.Context, other store.Store) error {
			e, err := other.Load(ctx, "a")
			if err == nil {
				_, err = other.Update(ctx, "a", store.Record{Data: []byte("theirs")}, hour, e.Revision)
			}
			return err
		}, store.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			x := newClass(t, shared.URL(t))
			network, client := x.behind(t)
			s, other := x.open(t, client), x.open(t, nil)
			if err := s.Ping(t.Context()); err != nil { // a proxy is made when it is dialed
				t.Fatal(err)
			}
			undo := network.Fail(proxy.Fault{Kind: c.kind, Between: func() {
				if err := c.do(t.Context(), other); err != nil {
					t.Error(err)
				}
			}})
			_, err := s.Create(t.Context(), "a", store.Record{Data: []byte("ours")}, hour)
			if undo() != 1 {
				t.Fatal("the fault never struck")
			}
			want(t, "create", err, c.want)
			if errors.Is(err, store.ErrExists) {
				t.Errorf("it says that it was not applied: %v", err)
			}
			if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "theirs" {
				t.Errorf("%q, %v, want theirs", e.Data, err)
			}
		})
	}
}

// A write that was answered "nothing changed" has an outcome, whatever becomes of the
// question why.
func TestLostAnswerToTheQuestion(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	network, client := x.behind(t)
	question := &onRequest{RoundTripper: client.Transport, of: "SELECT id, owner, rev"}
	s := x.open(t, &http.Client{Transport: question})
	v := create(t, s, "a", "")
	for what, c := range map[string]struct {
		call func() error
		want error
	}{
		"update of another revision":  {func() error { _, err := s.Update(t.Context(), "a", store.Record{}, hour, v+1); return err }, store.ErrConflict},
		"update of what is not there": {func() error { _, err := s.Update(t.Context(), "b", store.Record{}, hour, v); return err }, store.ErrNotFound},
		"touch of what is not there":  {func() error { return s.Touch(t.Context(), "b", hour) }, store.ErrNotFound},
		"create of what is there":     {func() error { _, err := s.Create(t.Context(), "a", store.Record{}, hour); return err }, store.ErrExists},
	} {
		undo := func() int { return 0 }
		question.do = func() { undo = network.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: 20}) }
		want(t, what, c.call(), c.want)
		if undo() != 1 {
			t.Errorf("%s: no answer was lost", what)
		}
	}
}

// onRequest calls what is to happen ahead of the next request that holds a text.
type onRequest struct {
	http.RoundTripper
	of string
	do func()
}

func (a *onRequest) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if do := a.do; do != nil && strings.Contains(string(text), a.of) {
		a.do = nil
		do()
	}
	return a.RoundTripper.RoundTrip(req)
}

// A page whose reply breaks off is read again: no session is listed twice, or left out, and
// neither are those behind a page of which most has expired.
func TestListIsReadAgain(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	network, client := x.behind(t)
	s := x.open(t, client)
	x.fill(t, 1190, `id='s:old'+$i, data='eA==', rev=7`, anHourAgo)
	x.fill(t, 510, `id='s:n'+$i, data='eA==', rev=7`, inAnHour)
	for _, data := range []bool{false, true} {
		for bytes := 500; bytes < 200_000; bytes += 60_000 {
			if err := s.Ping(t.Context()); err != nil { // there is a connection to be cut
				t.Fatal(err)
			}
			undo := network.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: bytes, FIN: data})
			seen := map[string]int{}
			for l, err := range s.List(t.Context(), store.Query{Data: data}) {
				if err != nil {
					t.Fatalf("cut after %d bytes: %v", bytes, err)
				}
				if seen[l.ID]++; seen[l.ID] > 1 || (string(l.Data) == "x") != data {
					t.Errorf("cut after %d bytes: %s is listed %d times, with %q", bytes, l.ID, seen[l.ID], l.Data)
				}
			}
			if struck := undo(); struck == 0 && bytes < 100_000 {
				t.Errorf("a list has less than %d bytes", bytes)
			}
			if len(seen) != 510 {
				t.Errorf("cut after %d bytes: %d are listed, want 510", bytes, len(seen))
			}
		}
	}
}

// When the time is over after a write that may have arrived, the outcome is unknown, and
// the cause that the caller gave its deadline is told.
func TestTimeOverIsUnknown(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	network, client := x.behind(t)
	s := x.open(t, client)
	calls := func(v store.Revision) map[string]func(context.Context) error { return verbs.All(s, v) }
	verbs.TimeOver(t, network, s, x.open(t, nil), calls, "create", "update", "touch", "delete", "sweep", "delete owner")
}

// REL-19: a thousand calls are cancelled at random. None ends for it amid a write, none
// counts twice, and none costs the pool a connection.
func TestRandomCancellations(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	network, client := x.behind(t)
	s := x.open(t, client)
	create(t, s, "a", "0")
	made := network.Dials()
	var cancelled, counted, unsure atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 250 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration((n*37+w*11)%1500)*time.Microsecond, cancel)
				err := visit(ctx, s, "a")
				switch {
				case err == nil:
					counted.Add(1)
				case errors.Is(err, store.ErrUnknown):
					unsure.Add(1)
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				default:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if n := network.Dials() - made; n > 4 { // four at once want four
		t.Errorf("%d connections were made anew", n)
	}
	if cancelled.Load() == 0 || counted.Load() == 0 || unsure.Load() > 0 {
		t.Errorf("%d were cancelled, %d counted, %d of unknown outcome", cancelled.Load(), counted.Load(), unsure.Load())
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != fmt.Sprint(counted.Load()) {
		t.Errorf("the count is %s, want %d; %v", e.Data, counted.Load(), err)
	}
}
