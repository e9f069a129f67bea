package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// fleet are servers of which one takes the place of another.
type fleet struct {
	sv     *server.Server
	x      *space
	victim func(t *testing.T) (master, replica string) // ports
}

// clusterFleet is a cluster, whose master that has the most sessions is the victim.
func clusterFleet(t *testing.T) *fleet {
	t.Helper()
	sv := server.New(t, server.RedisCluster(1))
	x := newSpace(t, sv.URL())
	return &fleet{sv, x, func(t *testing.T) (master, replica string) {
		t.Helper()
		master = x.most(t)
		return master, replicaOf(t, direct(t, sv, master), master)
	}}
}

// sentinelFleet is a master and a replica, and those who watch them.
func sentinelFleet(t *testing.T) *fleet {
	t.Helper()
	p := newPair(t)
	return &fleet{p.sv, newSpace(t, p.sv.URL()), func(t *testing.T) (master, replica string) {
		t.Helper()
		c := goredis.NewSentinelClient(&goredis.Options{Addr: p.sv.Addr()})
		defer c.Close()
		at, err := c.GetMasterAddrByName(t.Context(), "sojourn").Result()
		if err != nil {
			t.Fatal(err)
		}
		if at[1] == p.master {
			return p.master, p.replica
		}
		return p.replica, p.master
	}}
}

// outcome is what a failover cost.
type outcome struct {
	variant
	diary.Counts
	lost, undone int
	back         time.Duration // until writes to the victim's slots work again
}

// variant is one of the ways to meet a failover.
type variant struct {
	replicas int  // Options.Replicas
	behind   bool // the replica that takes over has lost its master before
}

// TestFailover counts what a failover loses: Redis answers before its replicas have what
// was written. Options.Replicas has that not happen to the end of a session, as long as
// the replica that is waited for is the one that takes over.
func TestFailover(t *testing.T) {
	t.Parallel()
	variants := []variant{{0, false}, {1, false}, {0, true}, {1, true}}
	rounds, some := 10, map[string][]variant{"cluster": variants, "sentinel": variants}
	if !full() { // a fleet is whole again only after many seconds
		rounds, some = 1, map[string][]variant{"cluster": variants[2:]}
	}
	for name, start := range map[string]func(*testing.T) *fleet{"cluster": clusterFleet, "sentinel": sentinelFleet} {
		if some[name] == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			var all []outcome
			for round := range rounds {
				for _, v := range some[name] {
					o := f.failover(t, fmt.Sprintf("%d-%d-%v", round, v.replicas, v.behind), v)
					if t.Failed() {
						t.Fatalf("it was %+v", o)
					}
					all = append(all, o)
				}
			}
			t.Log(table(all))
		})
	}
}

func table(all []outcome) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nReplicas\tthe replica\tacknowledged\tdeletes\tfailed\tunknown\twrites lost\tdeletes undone\tback after\t")
	for _, o := range all {
		replica := "follows"
		if o.behind {
			replica = "is behind"
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t\n", o.replicas, replica, o.Acknowledged, o.Deletes, o.Failed, o.Unknown, o.lost, o.undone, o.back.Round(10*time.Millisecond))
	}
	_ = w.Flush()
	return b.String()
}

// failover kills a master under load.
func (f *fleet) failover(t *testing.T, name string, v variant) outcome {
	t.Helper()
	f.x.opts.Replicas = 0
	plain := f.x.open(t, f.x.client)
	f.x.opts.Replicas = v.replicas
	s := f.x.open(t, f.x.client)
	for n := range 60 {
		create(t, plain, fmt.Sprintf("probe-%s-%d", name, n), "")
	}
	master, replica := f.victim(t)
	at := f.probe(t, "probe-"+name, master)

	d := diary.Begin(t.Context(), s, name)
	until(t, d, func(c diary.Counts) bool { return c.Acknowledged > 2000 && c.Deletes > 200 })
	follow := func() {}
	if v.behind {
		follow = f.cutOff(t, master, replica)
		before := d.Counts()
		until(t, d, func(c diary.Counts) bool {
			if v.replicas > 0 {
				return c.Unknown > before.Unknown
			}
			return c.Deletes > before.Deletes+200
		})
	}
	if err := f.sv.KillNode(t.Context(), master); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f.await(t, "touch", func() error { return s.Touch(t.Context(), at, time.Hour) })
	o := outcome{variant: v, back: time.Since(began)}
	now := d.Counts()
	until(t, d, func(c diary.Counts) bool { return c.Acknowledged > now.Acknowledged+500 })
	d.Stop()
	follow()
	if err := f.sv.StartNode(t.Context(), master); err != nil {
		t.Fatal(err)
	}
	if err := f.sv.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := d.Check(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	o.Counts, o.lost, o.undone = d.Counts(), diary.Count(found, diary.Lost), diary.Count(found, diary.Undone)
	for _, x := range found {
		if x.Kind != diary.Lost && x.Kind != diary.Undone || x.Kind == diary.Undone && v.replicas > 0 {
			t.Error(x)
		}
	}
	if v.behind && v.replicas == 0 && o.undone == 0 {
		t.Error("no delete was undone, though the replica had not heard of any: this shows nothing")
	}
	f.settles(t, plain)
	return o
}

// probe is one of the ids that begin so and that the server has.
func (f *fleet) probe(t *testing.T, prefix, port string) string {
	t.Helper()
	keys, err := direct(t, f.sv, port).Keys(t.Context(), f.x.opts.Prefix+"{???}s:"+prefix+"-*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%s has none of %s: %v", port, prefix, err)
	}
	_, id, _ := strings.Cut(keys[0], "}s:")
	return id
}

// await returns when a call succeeds.
func (f *fleet) await(t *testing.T, what string, call func() error) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) { // who is refused at once should not ask at once
		err := call()
		if err == nil {
			return
		}
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || time.Since(began) > time.Minute {
			t.Fatalf("%s, %v after the kill: %v", what, time.Since(began), err)
		}
	}
}

// cutOff has the replica lose its master, and not find it again. It returns when the
// master has no replica, and what it returns lets the replica follow masters again.
func (f *fleet) cutOff(t *testing.T, master, replica string) (follow func()) {
	t.Helper()
	r, m := direct(t, f.sv, replica), direct(t, f.sv, master)
	auth := r.ConfigGet(t.Context(), "masterauth").Val()["masterauth"]
	if auth == "" {
		t.Fatal("the replica knows no password")
	}
	if err := r.ConfigSet(t.Context(), "masterauth", "wrong").Err(); err != nil {
		t.Fatal(err)
	}
	if err := m.Do(t.Context(), "client", "kill", "type", "replica").Err(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		text, err := m.Info(t.Context(), "replication").Result()
		if err != nil || time.Since(began) > 10*time.Second {
			t.Fatalf("%v: %s", err, text)
		}
		if !strings.Contains(text, "state=online") {
			break
		}
	}
	return func() {
		ctx := context.Background()
		// A sentinel may have had it write down what it had.
		if err := errors.Join(r.ConfigSet(ctx, "masterauth", auth).Err(), r.ConfigRewrite(ctx).Err()); err != nil {
			t.Error(err)
		}
	}
}

// settles wants everything to work again, and removes what is there.
func (f *fleet) settles(t *testing.T, s *redis.Store) {
	t.Helper()
	f.x.agree(t, s)
	v, err := s.Create(t.Context(), "after", store.Record{Owner: "o"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Update(t.Context(), "after", store.Record{Owner: "p"}, time.Hour, v); err != nil {
		t.Error(err)
	}
	if n, err := s.DeleteOwner(t.Context(), "p"); n != 1 || err != nil {
		t.Errorf("delete owner: %d, %v", n, err)
	}
	if err := errors.Join(s.Clear(t.Context()), s.Ping(t.Context())); err != nil {
		t.Error(err)
	}
	if n, err := s.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions after Clear, %v", n, err)
	}
}
