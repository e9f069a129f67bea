package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/store"
)

// A master is asked under load to give its place to its replica. In a cluster the two
// agree on the moment, and nothing is lost. Sentinel has the old master go on until it is
// told; Options.Replicas has no end of a session undone by that.
func TestPlannedSwitch(t *testing.T) {
	t.Parallel()
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		f := clusterFleet(t)
		f.trade(t, 0, func(_, replica string) error { return direct(t, f.sv, replica).ClusterFailover(t.Context()).Err() },
			func(diary.Kind) bool { return false })
	})
	if !full() { // Sentinel takes eleven seconds each time
		return
	}
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		f := sentinelFleet(t)
		for _, replicas := range []int{0, 1} {
			f.trade(t, replicas, func(_, _ string) error {
				c := goredis.NewSentinelClient(&goredis.Options{Addr: f.sv.Addr()})
				defer c.Close()
				return c.Failover(t.Context(), "sojourn").Err()
			}, func(k diary.Kind) bool { return k == diary.Lost || k == diary.Undone && replicas == 0 })
		}
	})
}

// trade has a master and its replica change places under load, of which the diary may
// have findings of some kinds.
func (f *fleet) trade(t *testing.T, replicas int, begin func(master, replica string) error, may func(diary.Kind) bool) {
	t.Helper()
	f.x.opts.Replicas = 0
	plain := f.x.open(t, f.x.client)
	f.x.opts.Replicas = replicas
	s := f.x.open(t, f.x.client)
	d := diary.Begin(t.Context(), s, fmt.Sprint(replicas))
	until(t, d, func(c diary.Counts) bool { return c.Acknowledged > 2000 })
	master, replica := f.victim(t)
	began := time.Now()
	if err := begin(master, replica); err != nil {
		t.Fatal(err)
	}
	old, young := direct(t, f.sv, master), direct(t, f.sv, replica)
	for !is(t, old, "slave") || !is(t, young, "master") {
		if time.Since(began) > time.Minute {
			t.Fatal("nobody changed places in a minute")
		}
		time.Sleep(10 * time.Millisecond) // until they are told
	}
	took, now := time.Since(began), d.Counts()
	until(t, d, func(c diary.Counts) bool { return c.Acknowledged > now.Acknowledged+1000 })
	d.Stop()
	found, err := d.Check(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range found {
		if !may(x.Kind) {
			t.Error(x)
		}
	}
	t.Logf("Replicas %d: they changed places in %v: %+v, %d writes lost, %d deletes undone",
		replicas, took, d.Counts(), diary.Count(found, diary.Lost), diary.Count(found, diary.Undone))
	if err := f.sv.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.settles(t, plain)
}

// is reports whether a server has the role.
func is(t *testing.T, c *goredis.Client, role string) bool {
	t.Helper()
	text, err := c.Info(t.Context(), "replication").Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(text, "role:"+role)
}

// Connections to what became a replica are given up, so that the next ones find the
// master, where the client knows it by a name that leads elsewhere now. A call gives up a
// few at most.
func TestReadOnlyConnectionsAreGivenUp(t *testing.T) {
	t.Parallel()
	for _, idle := range []int{1, 8} {
		t.Run(fmt.Sprint(idle, " connections"), func(t *testing.T) {
			x, other := newSpace(t, server.New(t, server.Redis()).URL()), server.New(t, server.Redis())
			p, c := x.behind(t)
			s := x.open(t, c)
			create(t, s, "a", "")
			var held []*goredis.Conn
			for range idle {
				h := c.Conn()
				if err := h.Ping(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				held = append(held, h)
			}
			for _, h := range held {
				_ = h.Close() // the connection goes to the pool
			}
			x.do(t, "replicaof", "127.0.0.1", "1")
			if _, err := s.Load(t.Context(), "a"); err != nil { // for those who only read
				t.Errorf("load: %v", err)
			}
			p.SetTarget(other.Addr())
			refused := 0
			for ; refused < idle; refused++ {
				_, err := s.Create(t.Context(), "b", store.Record{}, time.Hour)
				if err == nil {
					break
				}
				if code(err) != "READONLY" || errors.Is(err, store.ErrUnknown) {
					t.Fatalf("create: got %v, want READONLY", err)
				}
			}
			t.Logf("with %d connections to a replica %d calls failed", idle, refused)
			if refused > idle/4 {
				t.Errorf("with %d connections to a replica %d calls failed", idle, refused)
			}
		})
	}
}

// A server that is a replica says so at once, with what to do.
func TestReplicaAnswersAtOnce(t *testing.T) {
	t.Parallel()
	x := newSpace(t, server.New(t, server.Redis()).URL())
	x.opts.Timeout = 20 * time.Second
	s := x.open(t, x.client)
	v := create(t, s, "a", "")
	x.do(t, "replicaof", "127.0.0.1", "1")
	began := time.Now()
	_, created := s.Create(t.Context(), "b", store.Record{}, time.Hour)
	_, updated := s.Update(t.Context(), "a", store.Record{Owner: "o"}, time.Hour, v)
	for what, err := range map[string]error{
		"create": created, "update": updated, "touch": s.Touch(t.Context(), "a", time.Hour), "delete": s.Delete(t.Context(), "a"), "clear": s.Clear(t.Context()),
	} {
		if code(err) != "READONLY" || errors.Is(err, store.ErrUnknown) || !strings.Contains(err.Error(), "connect to the master") {
			t.Errorf("%s: got %v, want READONLY", what, err)
		}
	}
	if took := time.Since(began); took > x.opts.Timeout {
		t.Errorf("it took %v", took)
	}
}
