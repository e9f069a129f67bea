package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// What a repeat was refused for says nothing of the first attempt.
func TestRefusedRepeatIsUnknown(t *testing.T) {
	x := newSpace(t, server.New(t, server.Redis()).URL())
	p, client := x.behind(t)
	s, direct := x.open(t, client), x.open(t, x.client)
	v := create(t, direct, "a", "1")
	if _, err := direct.Update(t.Context(), "a", store.Record{}, time.Hour, v+1); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err) // so that the server knows the script
	}
	key := x.key(t, "}s:a")
	before := x.do(t, "get", key)
	memory := x.do(t, "config", "get", "maxmemory")
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
		x.do(t, "set", key, before, "px", time.Hour.Milliseconds()) // the first attempt was not applied
		x.do(t, "config", "set", "maxmemory", "1mb")
	}})
	_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v)
	if undo() != 1 {
		t.Fatalf("the fault never struck (maxmemory was %v)", memory)
	}
	refused, _ := errors.AsType[goredis.Error](err)
	if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) || refused == nil || !strings.Contains(refused.Error(), "OOM") {
		t.Errorf("got %v, want ErrUnknown with the server's OOM, and not ErrFull", err)
	}
	// One that is refused at once is another matter.
	_, err = s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v)
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("got %v, want ErrFull alone", err)
	}
}

// A server that cannot be reached is an error at once, but not where a reply was lost
// before: what became of that write is worth waiting for.
func TestUnreachableAfterALostReply(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	x.opts.Timeout = 20 * time.Second
	s := x.open(t, client)
	v := create(t, s, "a", "0")
	v, err := s.Update(t.Context(), "a", store.Record{Data: []byte("1")}, time.Hour, v)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan int, 1)
	lost := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
		undo := p.Fail(proxy.Fault{Kind: proxy.Refuse})
		time.AfterFunc(200*time.Millisecond, func() { refused <- undo() })
	}})
	if _, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v); err != nil {
		t.Errorf("update: %v", err)
	}
	if n, m := lost(), <-refused; n != 1 || m == 0 {
		t.Errorf("%d replies were lost, %d dials refused", n, m)
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "2" {
		t.Errorf("%q, %v", e.Data, err)
	}
	// Without a lost reply it is an error at once.
	undo := p.Fail(proxy.Fault{Kind: proxy.Refuse})
	began := time.Now()
	err = s.Touch(t.Context(), "a", time.Hour)
	took := time.Since(began)
	if undo() == 0 || err == nil || errors.Is(err, store.ErrUnknown) || took > 10*time.Second {
		t.Errorf("touch: got %v after %v", err, took)
	}
}

// When the time is over after a write that may have arrived, the outcome is unknown, and
// the cause that the caller gave its deadline is told.
func TestTimeOverIsUnknown(t *testing.T) {
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			network, client := x.through(t)
			s := x.open(t, client)
			calls := func(v store.Revision) map[string]func(context.Context) error { return calls(s, v) }
			// The end of an owner and of all looks first.
			verbs.TimeOver(t, network, s, x.open(t, x.client), calls, "create", "create for an owner", "update", "touch", "delete")
		})
	}
}

// The same where what was looked at first is answered, and what follows from it is not:
// it is unknown of the sessions that were to be ended, and of those that were listed not.
func TestLostSecondStep(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	network, client := x.through(t)
	steps, last, hole := 2, 2, func() int { return 0 }
	s := x.open(t, hook(client, &onStep{do: func(context.Context) error {
		if steps++; steps == last {
			hole = network.Fail(proxy.Fault{Kind: proxy.DropReplies})
		}
		return nil
	}}))
	direct := x.open(t, x.client)
	for what, unknown := range map[string]bool{"list": false, "list data": false, "list owner": false, "delete owner": true, "clear": true} {
		for _, lost := range []bool{false, true} {
			_ = direct.Delete(t.Context(), "a")
			call := calls(s, verbs.Theirs(t, direct))[what]
			warm(t, s)
			if !lost { // so that the server knows the script
				steps = last
				want(t, what, call(t.Context()), nil)
				continue
			}
			steps, last = 0, 2
			if what == "list" || what == "list data" || what == "clear" {
				last = 4 // before and after they look they ask which run of the server it is
			}
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			err := call(ctx)
			cancel()
			if hole() == 0 {
				t.Errorf("%s: no reply was lost", what)
			}
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) != unknown {
				t.Errorf("%s: got %v; is it unknown: %v", what, err, unknown)
			}
			if _, err := direct.Load(t.Context(), "a"); unknown && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v: it was made", what, err)
			}
		}
	}
}
