package redis_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// calls are all calls of a store on the session "a", whose revision is v and whose owner
// is "o".
func calls(s *redis.Store, v store.Revision) map[string]func(context.Context) error {
	all := verbs.All(s, v)
	delete(all, "sweep") // the server removes what has expired
	all["create for an owner"] = func(ctx context.Context) error {
		_, err := s.Create(ctx, "d", store.Record{Owner: "p"}, time.Hour)
		return err
	}
	all["list data"] = func(ctx context.Context) error {
		for _, err := range s.List(ctx, store.Query{Data: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	all["clear"] = func(ctx context.Context) error { return s.Clear(ctx) }
	all["check"] = func(ctx context.Context) error { _, err := s.Check(ctx); return err }
	return all
}

// REL-08: whatever the network does, a call is answered or ends with its context, says
// nothing of sessions that it does not know, and works again once the network does.
func TestNetworkFaults(t *testing.T) {
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			url := sv.URL(t)
			before := runtime.NumGoroutine()
			t.Run("of kind", func(t *testing.T) { networkFaults(t, url) })
			// The clients are closed: what they and the calls had going has ended.
			for began := time.Now(); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
				}
			}
		})
	}
}

func networkFaults(t *testing.T, url string) {
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
			x := newSpace(t, url)
			v := verbs.Theirs(t, x.open(t, x.client))
			network, client := x.through(t)
			s := x.open(t, client)
			warm(t, s)
			undo := network.Fail(f)
			for what, call := range calls(s, v) {
				verbs.Fails(t, what, call)
			}
			if undo() == 0 {
				t.Error("the fault never struck")
			}
			recovers(t, s)
		})
	}
}

// recovers waits until the store works again. go-redis, when it was refused often, answers
// with that error by itself, and tries again once a second.
func recovers(t *testing.T, s store.Store) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		_, err := s.Load(t.Context(), "a")
		if err == nil {
			err = s.Touch(t.Context(), "a", time.Hour)
		}
		if err == nil {
			return
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("5 s afterwards: %v", err)
		}
	}
}

// What fails in the caller's own code is told, since it is not the server's text; and so
// is that the client is closed.
func TestErrorsOfTheClient(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	x.opts.Timeout = 300 * time.Millisecond
	x.open(t, x.client)
	mine := errors.New("the caller's own")
	opts := *x.client.(*goredis.Client).Options()
	for what, fail := range map[string]func(o *goredis.Options, err *error){
		"credentials": func(o *goredis.Options, err *error) {
			user, password := o.Username, o.Password
			o.CredentialsProviderContext = func(context.Context) (string, string, error) { return user, password, *err }
		},
		"hook": func(o *goredis.Options, err *error) {
			o.OnConnect = func(context.Context, *goredis.Conn) error { return *err }
		},
	} {
		var failing error
		o := opts
		fail(&o, &failing)
		client := goredis.NewClient(&o)
		defer client.Close()
		s := x.open(t, client)
		failing = mine
		// The connection that New used is in use by another.
		held := client.Conn()
		defer held.Close()
		if err := held.Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Load(t.Context(), "a")
		want(t, what+": load", err, mine)
		want(t, what+": touch", s.Touch(t.Context(), "a", time.Hour), mine)
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{s.Ping(t.Context()), s.Touch(t.Context(), "a", time.Hour)} {
			if !errors.Is(err, goredis.ErrClosed) || errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrClosed) {
				t.Errorf("%s: got %v, want that the client is closed", what, err)
			}
		}
	}
}

// A store from a URL ends its connections with itself.
func TestOpenedStoreEndsItsConnections(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	name := x.opts.Prefix
	s, err := store.Open(t.Context(), x.storeURL()+"&client_name="+name, redis.Opener)
	if err != nil {
		t.Fatal(err)
	}
	warm(t, s)
	open := func() (n int) {
		t.Helper()
		list, err := x.client.ClientList(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list, " name="+name+" ")
	}
	if open() == 0 {
		t.Fatal("it has no connection")
	}
	if err := store.Close(s); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); open() > 0; { // until the server has seen their ends
		if time.Since(began) > 10*time.Second {
			t.Fatal("10 s after Close it has connections")
		}
	}
}
