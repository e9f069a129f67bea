package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// drivers are the two ways to have the driver: as it is, where it repeats by itself, and as
// one where only the store does.
var drivers = map[string]func(*options.ClientOptions){"as it is": nil, "repeats nothing": noRepeats}

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
				x := newCollection(t, url)
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
					_, err := s.Load(t.Context(), "a")
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

// The connection breaks after each byte of a reply, and of a request: the call is made, and
// made once.
func TestCutAtEachByte(t *testing.T) {
	t.Parallel()
	step := 149 // each costs half a second, in which the driver looks for the server
	if full() {
		step = 1
	}
	for name, change := range drivers {
		for _, side := range []proxy.Side{proxy.Requests, proxy.Replies} {
			t.Run(fmt.Sprintf("%s/%d", name, side), func(t *testing.T) {
				x := newCollection(t, shared.URL(t))
				network, client := x.behind(t, change, quietMonitor)
				x.opts.Timeout = 10 * time.Second
				s := x.open(t, client)
				v := create(t, s, "n", "0")
				count := 0
				for n := 0; ; n += step {
					undo := network.Fail(proxy.Fault{Kind: proxy.Cut, Side: side, Bytes: n})
					next, err := s.Update(t.Context(), "n", store.Record{Data: []byte(strconv.Itoa(count + 1))}, hour, v)
					struck := undo()
					if err != nil {
						t.Fatalf("cut at byte %d: %v", n, err)
					}
					count, v = count+1, next
					e, err := s.Load(t.Context(), "n")
					if err != nil || string(e.Data) != strconv.Itoa(count) || e.Revision != v {
						t.Fatalf("cut at byte %d: %q, %v, want %d", n, e.Data, err, count)
					}
					if struck == 0 {
						if n < 100 {
							t.Fatalf("an update has %d bytes", n)
						}
						break
					}
				}
			})
		}
	}
}

// quietMonitor has the driver look at its servers so seldom that what crosses the network
// is the calls.
func quietMonitor(o *options.ClientOptions) {
	o.SetServerMonitoringMode(options.ServerMonitoringModePoll).SetHeartbeatInterval(time.Minute)
}

// A touch that came between a lost reply and the repeat is not undone by it, whoever
// repeats.
func TestRepeatLeavesALaterTouchAlone(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			network, client := x.behind(t, change)
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
		})
	}
}

// REL-09: somebody wrote between a lost reply and the repeat. A server that knows the
// driver's repeat answers as it did before: a success. The store's own repeat cannot tell,
// and says so. Neither is a conflict, and each write is there once.
func TestForeignWriteBetween(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			network, client := x.behind(t, change)
			s, other := x.open(t, client), x.open(t, nil)
			v := create(t, s, "a", "1")
			undo := network.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
				if err := visit(t.Context(), other, "a"); err != nil {
					t.Error(err)
				}
			}})
			_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, hour, v)
			if undo() != 1 {
				t.Fatal("the fault never struck")
			}
			if change == nil {
				want(t, "update", err, nil)
			} else {
				want(t, "update", err, store.ErrUnknown)
			}
			if errors.Is(err, store.ErrConflict) {
				t.Errorf("it says that it was not applied: %v", err)
			}
			if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "3" {
				t.Errorf("%q, %v, want 3: the update once, and the other's", e.Data, err)
			}
		})
	}
}

// A request that never arrived is a first attempt: a conflict, if somebody wrote, where the
// driver's repeat is known, and unknown where it is not.
func TestForeignWriteBeforeARequestThatWasLost(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			network, client := x.behind(t, change)
			s, other := x.open(t, client), x.open(t, nil)
			v := create(t, s, "a", "1")
			undo := network.Fail(proxy.Fault{Kind: proxy.LoseRequest, Between: func() {
				if err := visit(t.Context(), other, "a"); err != nil {
					t.Error(err)
				}
			}})
			_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("9")}, hour, v)
			if undo() != 1 {
				t.Fatal("the fault never struck")
			}
			if change == nil {
				want(t, "update", err, store.ErrConflict)
			} else {
				want(t, "update", err, store.ErrUnknown)
			}
			if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "2" {
				t.Errorf("%q, %v, want 2", e.Data, err)
			}
		})
	}
}

// A write that was answered "nothing changed" has an outcome, whatever becomes of the
// question why.
func TestLostAnswerToTheQuestion(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	asked := &onCommand{name: "aggregate"}
	network, client := x.behind(t, noRepeats, asked.monitor)
	s := x.open(t, client)
	v := create(t, s, "a", "")
	for what, c := range map[string]struct {
		call func() error
		want error
	}{
		"update of another revision":  {func() error { _, err := s.Update(t.Context(), "a", store.Record{}, hour, v+1); return err }, store.ErrConflict},
		"update of what is not there": {func() error { _, err := s.Update(t.Context(), "b", store.Record{}, hour, v); return err }, store.ErrNotFound},
		"create of what is there":     {func() error { _, err := s.Create(t.Context(), "a", store.Record{}, hour); return err }, store.ErrExists},
	} {
		undo := func() int { return 0 }
		asked.next(func() { undo = network.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: 20}) })
		want(t, what, c.call(), c.want)
		if undo() != 1 {
			t.Errorf("%s: no answer was lost", what)
		}
	}
}

// A page whose reply breaks off is read again: no session is listed twice, or left out, and
// neither are those behind a page of which most has expired.
func TestListIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			network, client := x.behind(t, change, quietMonitor)
			s := x.open(t, client)
			x.fill(t, 1700, func(i int) session {
				if i%10 < 7 {
					return session{id: fmt.Sprintf("n%04d", i), left: -hour}
				}
				return session{id: fmt.Sprintf("n%04d", i), left: hour}
			})
			for _, data := range []bool{false, true} {
				for bytes := 500; bytes < 60_000; bytes += 19_000 {
					if err := s.Ping(t.Context()); err != nil { // there is a connection to be cut
						t.Fatal(err)
					}
					undo := network.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: bytes})
					seen := map[string]int{}
					for l, err := range s.List(t.Context(), store.Query{Data: data}) {
						if err != nil {
							t.Fatalf("cut after %d bytes: %v", bytes, err)
						}
						if seen[l.ID]++; seen[l.ID] > 1 || (string(l.Data) == "x") != data {
							t.Errorf("cut after %d bytes: %s is listed %d times, with %q", bytes, l.ID, seen[l.ID], l.Data)
						}
					}
					if struck := undo(); struck == 0 && bytes < 20_000 {
						t.Errorf("a list has less than %d bytes", bytes)
					}
					if len(seen) != 510 {
						t.Errorf("cut after %d bytes: %d are listed, want 510", bytes, len(seen))
					}
				}
			}
		})
	}
}

// When the time is over after a write that may have arrived, the outcome is unknown, and
// the cause that the caller gave its deadline is told.
func TestTimeOverIsUnknown(t *testing.T) {
	t.Parallel()
	for name, change := range drivers {
		t.Run(name, func(t *testing.T) {
			x := newCollection(t, shared.URL(t))
			network, client := x.behind(t, change)
			s := x.open(t, client)
			calls := func(v store.Revision) map[string]func(context.Context) error { return verbs.All(s, v) }
			// The sweep and the end of an owner look before they write.
			verbs.TimeOver(t, network, s, x.open(t, nil), calls, "create", "update", "touch", "delete")
		})
	}
}

// REL-19: a thousand calls are cancelled at random. None ends for it amid a write, none
// counts twice, and none costs the pool a connection.
func TestRandomCancellations(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	network, client := x.behind(t, quietMonitor)
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
