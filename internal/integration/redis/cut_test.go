package redis_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// cut is a call on a session of the owner "first", and what must be so after it, whatever
// broke meanwhile.
type cut struct {
	call  func(ctx context.Context, s store.Store, v store.Revision) (store.Revision, error)
	id    string // of the session that is there then, "" for none
	data  string
	ttl   time.Duration
	owner string
}

var cuts = map[string]cut{
	"load": {func(ctx context.Context, s store.Store, _ store.Revision) (store.Revision, error) {
		e, err := s.Load(ctx, "a")
		if err == nil && string(e.Data) != "1" {
			err = fmt.Errorf("it loads %q", e.Data)
		}
		return e.Revision, err
	}, "a", "1", time.Hour, "first"},
	"update": {func(ctx context.Context, s store.Store, v store.Revision) (store.Revision, error) {
		return s.Update(ctx, "a", store.Record{Data: []byte("2"), Owner: "first"}, 2*time.Hour, v)
	}, "a", "2", 2 * time.Hour, "first"},
	"update for another owner": {func(ctx context.Context, s store.Store, v store.Revision) (store.Revision, error) {
		return s.Update(ctx, "a", store.Record{Data: []byte("2"), Owner: "second"}, 2*time.Hour, v)
	}, "a", "2", 2 * time.Hour, "second"},
	"touch": {func(ctx context.Context, s store.Store, v store.Revision) (store.Revision, error) {
		return v, s.Touch(ctx, "a", 2*time.Hour)
	}, "a", "1", 2 * time.Hour, "first"},
	"delete": {func(ctx context.Context, s store.Store, _ store.Revision) (store.Revision, error) {
		return 0, s.Delete(ctx, "a")
	}, "", "", 0, "first"},
	"delete owner": {func(ctx context.Context, s store.Store, _ store.Revision) (store.Revision, error) {
		_, err := store.DeleteOwner(ctx, s, "first")
		return 0, err
	}, "", "", 0, "first"},
	"create": {func(ctx context.Context, s store.Store, _ store.Revision) (store.Revision, error) {
		return s.Create(ctx, "b", store.Record{Data: []byte("3")}, 2*time.Hour)
	}, "b", "3", 2 * time.Hour, ""},
	"create for an owner": {func(ctx context.Context, s store.Store, _ store.Revision) (store.Revision, error) {
		return s.Create(ctx, "b", store.Record{Data: []byte("3"), Owner: "second"}, 2*time.Hour)
	}, "b", "3", 2 * time.Hour, "second"},
}

// check says how what is stored differs from what it must be, where v is the revision.
func (c cut) check(t *testing.T, s store.Store, v store.Revision) string {
	t.Helper()
	if c.owner != "" {
		want := map[string]int{}
		if c.id != "" {
			want[c.id] = 1
		}
		if got := ids(t, s, store.Query{Owner: c.owner}); !maps.Equal(got, want) {
			return fmt.Sprintf("the owner has %v, want %v", got, want)
		}
	}
	if c.id == "" {
		_, err := s.Load(t.Context(), "a")
		if !errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("the session is there: %v", err)
		}
		return ""
	}
	e, err := s.Load(t.Context(), c.id)
	if err != nil || string(e.Data) != c.data || e.Owner != c.owner || e.Revision != v || (e.TTL-c.ttl).Abs() > time.Minute {
		return fmt.Sprintf("%q of %q for %v, revision %v, want %q of %q for %v, %v; %v", e.Data, e.Owner, e.TTL, e.Revision, c.data, c.owner, c.ttl, v, err)
	}
	return ""
}

// The connection breaks after each byte of a reply, and of a request: the call is
// made, and made once.
func TestCutAtEachByte(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	s, direct := x.open(t, client), x.open(t, x.client)
	step := 7
	if full() {
		step = 1
	}
	for name, c := range cuts {
		for side, way := range map[proxy.Side]string{proxy.Requests: "the request", proxy.Replies: "the reply"} {
			for n, struck := 0, 1; struck > 0; n += step {
				if err := direct.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				v, err := direct.Create(t.Context(), "a", store.Record{Data: []byte("1"), Owner: "first"}, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				warm(t, s)
				undo := p.Fail(proxy.Fault{Kind: proxy.Cut, Side: side, Bytes: n, FIN: n%2 == 1})
				v, err = c.call(t.Context(), s, v)
				if struck = undo(); err != nil {
					t.Fatalf("%s, %s cut at byte %d: %v", name, way, n, err)
				}
				if wrong := c.check(t, direct, v); wrong != "" {
					t.Fatalf("%s, %s cut at byte %d: %s", name, way, n, wrong)
				}
				if struck == 0 && (n == 0 || n < 20 && side == proxy.Requests) {
					t.Fatalf("%s: %s has %d bytes", name, way, n)
				}
			}
		}
	}
}

// warm has a connection ready for whatever comes: go-redis has some for pipelines alone.
func warm(t *testing.T, s store.Store) {
	t.Helper()
	if err := store.Ping(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), "warm"); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
}

// ids lists sessions, and counts how often each comes.
func ids(t *testing.T, s store.Store, q store.Query) map[string]int {
	t.Helper()
	out := map[string]int{}
	for l, err := range store.List(t.Context(), s, q) {
		if err != nil {
			t.Fatal(err)
		}
		out[l.ID]++
		if data := string(l.Data); (data != "") != q.Data {
			t.Errorf("%s is listed with %q", l.ID, data)
		}
	}
	return out
}

// many makes n sessions of an owner.
func many(t *testing.T, s store.Store, owner string, n int) {
	t.Helper()
	for i := range n {
		if _, err := s.Create(t.Context(), fmt.Sprintf("%s%d", owner, i), store.Record{Data: []byte("x"), Owner: owner}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
}

// A page whose reply breaks off is read again from where it began: no session is listed
// twice, or left out. So it is when the breaks are in several servers of a cluster.
func TestListIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			network, client := x.through(t)
			s, direct := x.open(t, client), x.open(t, x.client)
			many(t, direct, "o", 1700)
			many(t, direct, "p", 300)
			step := 25_000
			if full() {
				step = 2_000
			}
			for _, q := range []store.Query{{}, {Data: true}, {Owner: "o"}, {Owner: "o", Data: true}} {
				n := 2000
				if q.Owner != "" {
					n = 1700
				}
				cut := 0
				for bytes, struck := 500, 1; struck > 0; bytes += step {
					warm(t, s)
					undo := network.Fail(proxy.Fault{Kind: proxy.Cut, Side: proxy.Replies, Bytes: bytes})
					seen := ids(t, s, q)
					if struck = undo(); struck > 0 {
						cut++
					}
					twice := 0
					for _, times := range seen {
						twice += times - 1
					}
					if len(seen) != n || twice != 0 {
						t.Errorf("%+v, cut after %d bytes: %d are listed, %d of them twice; want %d", q, bytes, len(seen), twice, n)
					}
				}
				if cut < 2 {
					t.Errorf("%+v was cut at %d places", q, cut)
				}
			}
		})
	}
}

// Likewise what counts, and what ends sessions: it ends all that it should, and no other.
func TestPagesAreAskedAgain(t *testing.T) {
	t.Parallel()
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			network, client := x.through(t)
			s, direct := x.open(t, client), x.open(t, x.client)
			many(t, direct, "q", 50)
			for what, c := range map[string]struct {
				call func() error
				left int
			}{
				"count": {func() error {
					n, err := s.Count(t.Context())
					if err == nil && n != 650 {
						err = fmt.Errorf("%d are counted, want 650", n)
					}
					return err
				}, 650},
				"delete owner": {func() error { _, err := s.DeleteOwner(t.Context(), "o"); return err }, 50},
				"clear":        {func() error { return s.Clear(t.Context()) }, 0},
			} {
				for _, side := range []proxy.Side{proxy.Requests, proxy.Replies} {
					cut := 0
					for bytes, struck := 50, 1; struck > 0; bytes = 5*bytes + 500 {
						if left := len(ids(t, direct, store.Query{Owner: "o"})); left < 600 {
							_, _ = direct.DeleteOwner(t.Context(), "o")
							many(t, direct, "o", 600)
						}
						if left := len(ids(t, direct, store.Query{Owner: "q"})); left < 50 {
							many(t, direct, "q", 50)
						}
						warm(t, s)
						undo := network.Fail(proxy.Fault{Kind: proxy.Cut, Side: side, Bytes: bytes})
						err := c.call()
						if struck = undo(); struck > 0 {
							cut++
						}
						if err != nil {
							t.Errorf("%s, cut after %d bytes: %v", what, bytes, err)
						}
						if left := len(ids(t, direct, store.Query{})); left != c.left {
							t.Errorf("%s, cut after %d bytes: %d are left, want %d", what, bytes, left, c.left)
						}
					}
					if cut == 0 {
						t.Errorf("%s was not cut", what)
					}
				}
			}
		})
	}
}
