package redis_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// movings runs a test on a cluster of its own, without replicas and with them.
func movings(t *testing.T, f func(t *testing.T, sv *server.Server, x *space)) {
	for _, replicas := range []int{0, 1} {
		t.Run(fmt.Sprint("Replicas ", replicas), func(t *testing.T) {
			sv := server.New(t, server.RedisCluster(replicas))
			x := newSpace(t, sv.URL())
			x.opts.Replicas = replicas
			f(t, sv, x)
		})
	}
}

// Slots move from one master to another under load. Nothing that was acknowledged is
// lost, and no write says of a session what is not so. What an index lost on the way comes
// back with the session's next touch.
func TestSlotsMoveUnderLoad(t *testing.T) {
	t.Parallel()
	movings(t, func(t *testing.T, sv *server.Server, x *space) {
		s := x.open(t, x.client)
		d := diary.Begin(t.Context(), s, "a")
		until(t, d, func(c diary.Counts) bool { return c.Acknowledged > 3000 })
		m := newMover(t, sv, x)
		slots := m.slots()
		if !full() {
			slots = slots[:min(20, len(slots))]
		}
		for _, slot := range slots {
			m.begin(slot)
			// It is on its way for some writes.
			now := d.Counts()
			until(t, d, func(c diary.Counts) bool { return c.Acknowledged+c.Failed > now.Acknowledged+now.Failed+100 })
			keys := m.keys(slot)
			m.move(keys[:len(keys)/2]...)
			now = d.Counts()
			until(t, d, func(c diary.Counts) bool { return c.Acknowledged+c.Failed > now.Acknowledged+now.Failed+100 })
			m.end(slot)
		}
		now := d.Counts()
		until(t, d, func(c diary.Counts) bool { return c.Acknowledged > now.Acknowledged+2000 })
		d.Stop()
		found, err := d.Check(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Error(f)
		}
		wrong, sessions := x.disagreements(t)
		t.Logf("%d slots moved: %+v; the indexes disagree %d times with %d sessions", len(slots), d.Counts(), len(wrong), sessions)
		for l, err := range s.List(t.Context(), store.Query{}) {
			if err == nil {
				err = s.Touch(t.Context(), l.ID, time.Hour)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		wrong, _ = x.disagreements(t)
		for _, w := range wrong {
			// An entry too many goes when its time comes; and MIGRATE hands on what is left of
			// a life, which is longer then by as long as the way took.
			if !strings.Contains(w, "is not there") && !strings.Contains(w, "outlives its last entry") {
				t.Error(w)
			}
		}
		n, err := s.DeleteOwner(t.Context(), "owner-1")
		if n == 0 || err != nil {
			t.Errorf("delete owner: %d, %v", n, err)
		}
		for l, err := range s.List(t.Context(), store.Query{}) {
			if err != nil || l.Owner == "owner-1" {
				t.Errorf("%s of %s, %v", l.ID, l.Owner, err)
			}
		}
	})
}

// Slots are stopped half way. Every session can be read and ended, on whichever side it
// is, and a call that cannot be made says nothing of it that is not so.
func TestSlotsHalfWay(t *testing.T) {
	t.Parallel()
	movings(t, func(t *testing.T, sv *server.Server, x *space) {
		x.opts.Timeout = 2 * time.Second
		s := x.open(t, x.client)
		quick := x.opts
		quick.Timeout = 50 * time.Millisecond // a call that waits for the slot to arrive waits in vain
		quick.Replicas = 0
		q, err := redis.New(x.client, &quick)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		const owned, free = 3000, 1000
		fill(t, s, "o", owned)
		for n := range free {
			create(t, s, fmt.Sprint("free-", n), "")
		}
		m := newMover(t, sv, x)
		slots := m.slots()[:10]
		m.half(slots)

		ids := map[bool][]string{} // of moving slots, by whether they have been moved
		for _, slot := range slots {
			for moved, port := range map[bool]string{false: m.from.port, true: m.to.port} {
				for _, key := range m.do(port, "cluster", "getkeysinslot", slot, 100_000).([]any) {
					if _, id, found := strings.Cut(key.(string), "}s:"); found {
						ids[moved] = append(ids[moved], id)
					}
				}
			}
		}
		if len(ids[true]) < 20 || len(ids[false]) < 20 {
			t.Fatalf("%d were moved, %d not", len(ids[true]), len(ids[false]))
		}
		m.reads(s, ids)
		m.lists(s, ids, owned)
		m.writes(q, s, ids)

		// A session that is ended half way stays ended.
		var ended []string
		failed := 0
		for moved := range ids {
			for _, id := range ids[moved][:10] {
				if err := s.Delete(t.Context(), id); err != nil {
					failed++
					if x.opts.Replicas == 0 || !errors.Is(err, store.ErrUnknown) {
						t.Errorf("delete of %s (moved: %v): %v", id, moved, err)
					}
				}
				ended = append(ended, id)
			}
		}
		gone := func() {
			t.Helper()
			for _, id := range ended {
				if _, err := s.Load(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s is not gone: %v", id, err)
				}
			}
		}
		gone()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		n, err := s.DeleteOwner(ctx, "o")
		if ctx.Err() != nil {
			t.Error("delete owner does not come to an end")
		}
		t.Logf("half way: %d of %d deletes failed; delete owner ended %d, %v", failed, len(ended), n, err)
		if err != nil && (x.opts.Replicas == 0 || !errors.Is(err, store.ErrUnknown)) {
			t.Errorf("delete owner: %v", err)
		}
		if n < owned-len(ended) {
			t.Errorf("delete owner ended %d of %d", n, owned)
		}
		for _, slot := range slots {
			m.end(slot)
		}
		gone()
		left := 0
		for l, err := range s.List(t.Context(), store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if l.Owner == "o" {
				left++
			}
		}
		if left > 0 && err == nil {
			t.Errorf("%d sessions of the owner are left, though DeleteOwner returned %d and no error", left, n)
		}
		if n, err := s.DeleteOwner(t.Context(), "o"); err != nil {
			t.Errorf("afterwards: %d, %v", n, err)
		}
		for l := range s.List(t.Context(), store.Query{}) {
			if l.Owner == "o" {
				t.Fatalf("%s is left of the owner", l.ID)
			}
		}
	})
}

// reads wants every session to be read, wherever it is.
func (m *mover) reads(s *redis.Store, ids map[bool][]string) {
	m.t.Helper()
	for moved, some := range ids {
		for _, id := range some {
			if _, err := s.Load(m.t.Context(), id); err != nil {
				m.t.Errorf("load of %s (moved: %v): %v", id, moved, err)
			}
		}
	}
}

// lists wants a listing to miss at most what has moved.
func (m *mover) lists(s *redis.Store, ids map[bool][]string, owned int) {
	m.t.Helper()
	for _, q := range []store.Query{{}, {Owner: "o"}} {
		seen := map[string]bool{}
		for l, err := range s.List(m.t.Context(), q) {
			if err != nil {
				m.t.Errorf("list: %v", err)
			}
			seen[l.ID] = true
		}
		m.t.Logf("a list of owner %q has %d sessions of %d of the owner; %d are on their way", q.Owner, len(seen), owned, len(ids[true])+len(ids[false]))
		if least := owned - len(ids[true]) - len(ids[false]); len(seen) < least {
			m.t.Errorf("a list of owner %q has %d sessions, want at least %d", q.Owner, len(seen), least)
		}
	}
}

// writes wants writes to succeed, or to fail without a word that is not so. patient reads
// what came of those of s.
func (m *mover) writes(s, patient *redis.Store, ids map[bool][]string) {
	m.t.Helper()
	ctx, t := m.t.Context(), m.t
	results := map[string]int{}
	check := func(what string, err error) {
		for _, kind := range []error{store.ErrNotFound, store.ErrConflict, store.ErrExists, store.ErrCorrupt, store.ErrFull} {
			if errors.Is(err, kind) {
				t.Errorf("%s: %v", what, err)
			}
		}
		switch {
		case err == nil:
			what += ", made"
		case errors.Is(err, context.DeadlineExceeded):
			what += ", not in time"
		default:
			what += ": " + err.Error()
		}
		results[what]++
	}
	for moved, some := range ids {
		for i, id := range some[:min(40, len(some))] {
			e, err := patient.Load(ctx, id)
			if err != nil {
				t.Errorf("load of %s: %v", id, err)
				continue
			}
			check(fmt.Sprintf("touch (moved: %v, owner: %q)", moved, e.Owner), s.Touch(ctx, id, time.Hour))
			if i%2 == 0 {
				v, err := s.Update(ctx, id, store.Record{Owner: e.Owner, Data: []byte("2")}, time.Hour, e.Revision)
				check(fmt.Sprintf("update (moved: %v, owner: %q)", moved, e.Owner), err)
				now, loadErr := patient.Load(ctx, id)
				if loadErr != nil || err == nil && now.Revision != v || err != nil && !errors.Is(err, store.ErrUnknown) && now.Revision != e.Revision {
					t.Errorf("after an update that returned %v: %v", err, loadErr)
				}
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(results)) {
		t.Logf("%s: %d", what, results[what])
	}
}
