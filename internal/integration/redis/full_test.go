package redis_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// info is a number that the server tells.
func (x *space) info(t *testing.T, section, name string) int {
	t.Helper()
	text, err := x.client.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("%s is %q", name, value)
	}
	return n
}

// code is the word that the server's error began with, which the store's ends with.
func code(err error) string {
	e, ok := errors.AsType[goredis.Error](err)
	if !ok {
		return ""
	}
	text := e.Error()
	return strings.TrimSuffix(text[strings.LastIndex(text, "(")+1:], ")")
}

// REL-05: the server's memory is full. What was there stays readable and can be ended,
// which makes room again.
func TestFull(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"", "o"} {
		t.Run("owner "+owner, func(t *testing.T) {
			x := newSpace(t, server.New(t, server.Redis()).URL())
			s := x.open(t, x.client)
			x.do(t, "config", "set", "maxmemory", x.info(t, "memory", "used_memory")+(3<<20))
			data := make([]byte, 32<<10)
			n := 0
			for ; ; n++ {
				_, err := s.Create(t.Context(), fmt.Sprint(n), store.Record{Data: data, Owner: owner}, time.Hour)
				if errors.Is(err, store.ErrFull) && code(err) == "OOM" {
					break
				}
				if err != nil || n > 1000 {
					t.Fatalf("create %d: %v", n, err)
				}
			}
			for i := range n {
				if e, err := s.Load(t.Context(), fmt.Sprint(i)); err != nil || len(e.Data) != len(data) {
					t.Fatalf("load %d of %d: %v", i, n, err)
				}
			}
			for i := range n / 2 {
				if err := s.Delete(t.Context(), fmt.Sprint(i)); err != nil {
					t.Fatalf("delete %d of %d: %v", i, n, err)
				}
			}
			for i := range n / 3 {
				if _, err := s.Create(t.Context(), fmt.Sprint("again-", i), store.Record{Data: data, Owner: owner}, time.Hour); err != nil {
					t.Fatalf("create %d after %d were deleted: %v", i, n/2, err)
				}
			}
			if got := x.agree(t, s); got != n-n/2+n/3 {
				t.Errorf("%d sessions, want %d", got, n-n/2+n/3)
			}
		})
	}
}

// What each verb does on a server that has no byte left. A touch of a session that has
// an owner writes to the index, which the server refuses as it refuses all that may grow.
func TestFullVerbs(t *testing.T) {
	t.Parallel()
	t.Run("Redis", func(t *testing.T) { fullVerbs(t, server.Redis()) })
	t.Run("Valkey", func(t *testing.T) { fullVerbs(t, server.Valkey()) })
	t.Run("more", func(t *testing.T) {
		for _, image := range server.Images(t, server.RedisMoreImages, "redis:7.2") {
			t.Run(path.Base(image), func(t *testing.T) { fullVerbs(t, server.RedisImage(image)) })
		}
	})
}

func fullVerbs(t *testing.T, spec server.Spec) {
	x := newSpace(t, server.New(t, spec).URL())
	s := x.open(t, x.client)
	fill := func() map[string]store.Revision {
		t.Helper()
		x.do(t, "config", "set", "maxmemory", 0)
		v := map[string]store.Revision{}
		for _, owner := range []string{"", "o", "p"} {
			for _, n := range []string{"1", "2"} {
				var err error
				if v[owner+n], err = s.Create(t.Context(), owner+n, store.Record{Data: []byte(owner + n), Owner: owner}, time.Hour); err != nil {
					t.Fatal(err)
				}
			}
		}
		x.do(t, "config", "set", "maxmemory", 1)
		return v
	}
	v := fill()
	for _, owner := range []string{"", "o"} {
		_, created := s.Create(t.Context(), "new"+owner, store.Record{Owner: owner}, time.Hour)
		_, updated := s.Update(t.Context(), owner+"1", store.Record{Owner: owner}, time.Hour, v[owner+"1"])
		_, moved := s.Update(t.Context(), owner+"1", store.Record{Owner: "q" + owner}, time.Hour, v[owner+"1"])
		_, let := s.Update(t.Context(), owner+"1", store.Record{}, time.Hour, v[owner+"1"])
		for what, err := range map[string]error{"create": created, "update": updated, "update to another owner": moved, "update to nobody": let} {
			if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) || code(err) != "OOM" {
				t.Errorf("%s of one of %q: got %v, want ErrFull", what, owner, err)
			}
		}
		_, err := s.Create(t.Context(), owner+"1", store.Record{Owner: owner}, time.Hour)
		want(t, "create of what is there", err, store.ErrExists, store.ErrFull)
	}
	// The life of a session goes on where nothing must grow for it.
	want(t, "touch", s.Touch(t.Context(), "1", 2*time.Hour), nil)
	err := s.Touch(t.Context(), "o1", 2*time.Hour)
	t.Logf("touch of a session that has an owner: %v", err)
	want(t, "touch of a session that has an owner", err, nil, store.ErrFull)
	for id := range v {
		e, err := s.Load(t.Context(), id)
		if err != nil || string(e.Data) != id || e.Revision != v[id] {
			t.Errorf("load of %s: %q, %v", id, e.Data, err)
		}
	}
	if n := x.agree(t, s); n != len(v) {
		t.Errorf("%d sessions, want %d", n, len(v))
	}

	want(t, "delete", errors.Join(s.Delete(t.Context(), "1"), s.Delete(t.Context(), "o1"), s.Delete(t.Context(), "missing")), nil)
	if n, err := s.DeleteOwner(t.Context(), "p"); n != 2 || err != nil {
		t.Errorf("delete owner: %d, %v", n, err)
	}
	if n := x.agree(t, s); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	want(t, "clear", s.Clear(t.Context()), nil)
	if keys := x.left(t); len(keys) > 0 {
		t.Errorf("after Clear %v is left", keys)
	}
	want(t, "ping", s.Ping(t.Context()), nil)

	// Another process starts, and the first one of all does not get as far as to say
	// how many slots there are.
	_, err = redis.New(x.client, &x.opts)
	want(t, "new where the slots are known", err, nil)
	other := newSpace(t, x.url)
	_, err = redis.New(other.client, &other.opts)
	want(t, "the first New of all", err, store.ErrFull)

	x.do(t, "config", "set", "maxmemory", 0)
	create(t, s, "a", "")
	if _, err := redis.New(other.client, &other.opts); err != nil {
		t.Errorf("new, when there is room: %v", err)
	}
}

// The memory is full off and on, under load. Whatever a script was refused, it did not
// stop half way: no owner's index lacks a session that was stored.
func TestFullOffAndOn(t *testing.T) {
	t.Parallel()
	x := newSpace(t, server.New(t, server.Redis()).URL())
	s := x.open(t, x.client)
	owner := func(rng *rand.Rand) string { return []string{"", "o", "p", "q"}[rng.IntN(4)] }
	calls, refused := 0, 0
	var mu sync.Mutex
	count := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		switch {
		case errors.Is(err, store.ErrFull):
			refused++
		case err != nil && !errors.Is(err, store.ErrNotFound):
			t.Error(err)
		}
	}
	done := make(chan struct{})
	var writers, limits sync.WaitGroup
	limits.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				if err := x.client.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(n%2)).Err(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for w := range 8 {
		rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(w)))
		writers.Go(func() {
			for n := range 300 {
				id := fmt.Sprintf("%d-%d", w, n)
				v, err := s.Create(t.Context(), id, store.Record{Owner: owner(rng)}, time.Hour)
				for count(err); err == nil && rng.IntN(4) > 0; count(err) {
					v, err = s.Update(t.Context(), id, store.Record{Owner: owner(rng)}, time.Hour, v)
				}
				count(s.Touch(t.Context(), id, time.Hour))
			}
		})
	}
	writers.Wait()
	close(done)
	limits.Wait()
	x.do(t, "config", "set", "maxmemory", 0)
	n := x.agree(t, s)
	t.Logf("%d of %d calls were refused, %d sessions", refused, calls, n)
	if refused < calls/10 || n < 200 {
		t.Error("this shows little")
	}
}
