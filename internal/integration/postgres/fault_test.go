package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/postgres/postgrestest"
	"github.com/sojourn-go/sojourn/store"
)

// behind has a pool that reaches the table's server through a proxy.
func (x *table) behind(t *testing.T) (*proxy.Proxy, *pgxpool.Pool) {
	t.Helper()
	c := x.pool.Config().ConnConfig
	p, err := proxy.New(net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
	if err != nil {
		t.Fatal(err)
	}
	p.SetProtocol(proxy.Postgres)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, postgrestest.Pool(t, x.url, p.DialContext)
}

// REL-08: whatever the network does, a call is answered or ends with its context, says
// nothing of sessions that it does not know, and works again once the network does.
func TestNetworkFaults(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s := x.open(t, pool)
	direct := x.open(t, x.pool)
	before := runtime.NumGoroutine()
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
			_ = direct.Clear(t.Context())
			v := create(t, s, "a", "1")
			undo := p.Fail(f)
			for what, call := range verbs.All(s, v) {
				verbs.Fails(t, what, call)
			}
			if undo() == 0 {
				t.Error("the fault never struck")
			}
			if _, err := s.Load(t.Context(), "a"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	// What pgx closes in the background ends with the connections.
	for began := time.Now(); runtime.NumGoroutine() > before+2*int(pool.Config().MaxConns)+10; {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond) // until the runtime has ended them
	}
}

// The connection breaks after each byte of a reply, and of a request: the call is
// made, and made once.
func TestCutAtEachByte(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s := x.open(t, pool)
	step := 7
	if full() {
		step = 1
	}
	for _, side := range []proxy.Side{proxy.Requests, proxy.Replies} {
		v := create(t, s, fmt.Sprint("n", side), "0")
		count := 0
		for n := 0; ; n += step {
			undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: side, Bytes: n})
			next, err := s.Update(t.Context(), fmt.Sprint("n", side), store.Record{Data: []byte(strconv.Itoa(count + 1))}, time.Hour, v)
			struck := undo()
			if err != nil {
				t.Fatalf("cut at byte %d of direction %d: %v", n, side, err)
			}
			count, v = count+1, next
			e, err := s.Load(t.Context(), fmt.Sprint("n", side))
			if err != nil || string(e.Data) != strconv.Itoa(count) || e.Revision != v {
				t.Fatalf("cut at byte %d: %q, %v, want %d", n, e.Data, err, count)
			}
			if struck == 0 {
				if n < 20 {
					t.Fatalf("an update has %d bytes in direction %d", n, side)
				}
				break
			}
		}
	}
}

// A touch that came between a lost reply and the repeat is not undone by it: the
// repeat finds its own revision and writes nothing.
func TestRepeatLeavesALaterTouchAlone(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s, other := x.open(t, pool), x.open(t, x.pool)
	v := create(t, s, "a", "1")
	for id, write := range map[string]func() error{
		"b": func() error { _, err := s.Create(t.Context(), "b", store.Record{}, time.Hour); return err },
		"a": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v); return err },
	} {
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
			if err := other.Touch(t.Context(), id, 9*time.Hour); err != nil {
				t.Errorf("touch in between: %v", err)
			}
		}})
		err := write()
		if n := undo(); n != 1 || err != nil {
			t.Fatalf("%s: %v, the fault struck %d times", id, err, n)
		}
		if e, err := s.Load(t.Context(), id); err != nil || e.TTL < 8*time.Hour {
			t.Errorf("%s: the life is %v after a touch to 9 h, %v", id, e.TTL, err)
		}
	}
}

// REL-09: somebody wrote between a lost reply and the repeat. Nobody can tell whether
// on top of the first attempt, and no error says that he can.
func TestForeignWriteIsUnknown(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s, other := x.open(t, pool), x.open(t, x.pool)
	v := create(t, s, "a", "1")
	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
		if err := visit(t.Context(), other, "a"); err != nil {
			t.Error(err)
		}
	}})
	_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v)
	if undo() != 1 {
		t.Fatal("the fault never struck")
	}
	want(t, "update", err, store.ErrUnknown)
	if errors.Is(err, store.ErrConflict) {
		t.Errorf("it says that it was not applied: %v", err)
	}
	if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "3" {
		t.Errorf("%q, %v, want 3: the update once, and the other's", e.Data, err)
	}
}

// A page whose reply breaks off is read again: no session is listed twice, or left out,
// and neither are those behind a page of which most has expired.
func TestListIsReadAgain(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s := x.open(t, pool)
	x.many(t, "o", 1700)
	x.exec(t, `UPDATE `+x.name()+` SET deadline = now() - interval '1 hour' WHERE revision % 10 < 7`)
	for _, data := range []bool{false, true} {
		for bytes := 500; bytes < 100_000; bytes += 9_000 {
			if err := s.Ping(t.Context()); err != nil { // there is a connection to be cut
				t.Fatal(err)
			}
			undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: bytes})
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
				t.Errorf("a list has %d bytes", bytes)
			}
			if len(seen) != 510 {
				t.Errorf("cut after %d bytes: %d are listed, want 510", bytes, len(seen))
			}
		}
	}
}

// REL-19: a cancellation neither ends a statement nor costs the pool a connection.
func TestCancellationKeepsTheConnection(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool := postgrestest.Pool(t, x.url, nil)
	s := x.open(t, pool)
	create(t, s, "a", "")
	made := pool.Stat().NewConnsCount()
	for range 20 {
		// A lock holds the touch up until after its cancellation.
		tx, err := x.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), `SELECT FROM `+x.name()+` FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Touch(ctx, "a", time.Hour) }()
		x.waits(t)
		cancel()
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatalf("the touch that was cancelled while it waited: %v", err)
		}
	}
	if n := pool.Stat().NewConnsCount(); n != made {
		t.Errorf("%d connections were made anew", n-made)
	}
}

// REL-19, at no point in particular: a thousand calls are cancelled at random.
func TestRandomCancellations(t *testing.T) {
	x := newTable(t, shared.URL(t))
	pool := postgrestest.Pool(t, x.url, nil)
	s := x.open(t, pool)
	create(t, s, "a", "0")
	made := pool.Stat().NewConnsCount()
	var cancelled atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 250 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration((n*37+w*11)%400)*time.Microsecond, cancel)
				err := visit(ctx, s, "a")
				switch {
				case errors.Is(err, context.Canceled):
					cancelled.Add(1)
				case err != nil:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if n := pool.Stat().NewConnsCount() - made; n > 3 { // four at once want four
		t.Errorf("%d connections were made anew", n)
	}
	if cancelled.Load() == 0 {
		t.Error("no call ended by its cancellation: this shows nothing")
	}
}

// When the time is over after a write that may have arrived, the outcome is unknown,
// and the cause that the caller gave its deadline is told.
func TestTimeOverIsUnknown(t *testing.T) {
	x := newTable(t, shared.URL(t))
	p, pool := x.behind(t)
	s := x.open(t, pool)
	calls := func(v store.Revision) map[string]func(context.Context) error {
		all := verbs.All(s, v)
		delete(all, "sweep") // its first statement is a look
		return all
	}
	verbs.TimeOver(t, p, s, x.open(t, x.pool), calls, "create", "update", "touch", "delete", "delete owner")
}

// A write that never had a connection was not applied.
func TestWriteWithoutConnection(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	var held []*pgxpool.Conn
	for range x.pool.Config().MaxConns {
		c, err := x.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Delete(ctx, "a")
	for _, c := range held {
		c.Release()
	}
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("without a connection: got %v, want context.DeadlineExceeded alone", err)
	}
}

// The error of a caller's own hook, or of a closed pool, is not ours to hide.
func TestErrorsOfThePool(t *testing.T) {
	x := newTable(t, shared.URL(t))
	mine := errors.New("the hook's own")
	config := x.pool.Config()
	config.AfterConnect = func(context.Context, *pgx.Conn) error { return mine }
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	s := x.open(t, pool)
	_, err = s.Load(t.Context(), "a")
	want(t, "load", err, mine)
	pool.Close()
	if _, err := s.Load(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "closed pool") {
		t.Errorf("got %v, want that the pool is closed", err)
	}
}

// What an administrator's hand may have stored hinders nobody, and is not taken for a
// session.
func TestEndlessDeadline(t *testing.T) {
	x := newTable(t, shared.URL(t))
	s := x.open(t, x.pool)
	create(t, s, "a", "")
	far := `UPDATE ` + x.name() + ` SET deadline = $1::timestamptz, due = $1::timestamptz WHERE id = $2`
	x.exec(t, far, "9999-12-31", "a")
	if e, err := s.Load(t.Context(), "a"); err != nil || e.TTL < math.MaxInt64-time.Microsecond {
		t.Errorf("in the year 9999: %v, %v", e.TTL, err)
	}
	v := create(t, s, "b", "")
	x.exec(t, far, "infinity", "b")
	_, loaded := s.Load(t.Context(), "b")
	_, created := s.Create(t.Context(), "b", store.Record{}, time.Hour)
	_, updated := s.Update(t.Context(), "b", store.Record{}, time.Hour, v)
	for what, err := range map[string]error{"load": loaded, "create": created, "update": updated, "touch": s.Touch(t.Context(), "b", time.Hour)} {
		want(t, what, err, store.ErrCorrupt)
	}
	for l, err := range s.List(t.Context(), store.Query{}) {
		if err != nil || l.ID != "a" {
			t.Errorf("listed: %s with %v, %v", l.ID, l.TTL, err)
		}
	}
	if n, err := s.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d are counted, want 1; %v", n, err)
	}
	if err := s.Delete(t.Context(), "b"); err != nil {
		t.Error(err)
	}
}
