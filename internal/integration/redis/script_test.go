package redis_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/redis/redistest"
	"github.com/sojourn-go/sojourn/store"
)

// flush has every server forget all scripts.
func (x *space) flush(ctx context.Context) error {
	return x.everywhere(ctx, func(node *goredis.Client) error { return node.ScriptFlush(ctx).Err() })
}

// Servers forget all scripts ahead of each command and each pipeline: every verb is made,
// and says what it always says.
func TestScriptsAreForgottenAtEachStep(t *testing.T) {
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			h := &onStep{do: x.flush}
			s, direct := x.open(t, hook(redistest.Client(t, x.url, nil), h)), x.open(t, x.client)
			missed := func(what string) {
				t.Helper()
				if h.missed.Swap(0) == 0 {
					t.Errorf("%s missed no script: this shows nothing", what)
				}
			}
			rec := store.Record{Data: []byte("1"), Owner: "o"}
			v, err := s.Create(t.Context(), "a", rec, time.Hour)
			want(t, "create", err, nil)
			missed("create")
			_, err = s.Create(t.Context(), "a", rec, time.Hour)
			want(t, "create again", err, store.ErrExists)
			missed("create again")
			_, err = s.Update(t.Context(), "a", rec, time.Hour, v+1)
			want(t, "update of another revision", err, store.ErrConflict)
			_, err = s.Update(t.Context(), "a", rec, time.Hour, v)
			want(t, "update", err, nil)
			missed("update")
			want(t, "touch", s.Touch(t.Context(), "a", 2*time.Hour), nil)
			missed("touch")
			if e, err := direct.Load(t.Context(), "a"); err != nil || e.TTL < time.Hour {
				t.Errorf("it lives for %v, %v", e.TTL, err)
			}
			want(t, "delete", s.Delete(t.Context(), "a"), nil)
			missed("delete")
			many(t, direct, "o", 700)
			many(t, direct, "p", 700)
			if n, err := s.DeleteOwner(t.Context(), "o"); n != 700 || err != nil {
				t.Errorf("%d of 700 ended, %v", n, err)
			}
			missed("delete owner")
			if n := len(ids(t, direct, store.Query{})); n != 700 {
				t.Errorf("%d of another owner are left, want 700", n)
			}
			want(t, "clear", s.Clear(t.Context()), nil)
			missed("clear")
			if n := len(ids(t, direct, store.Query{})); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// The same while somebody has them forgotten again and again: nothing fails, and no visit
// is lost or counted twice.
func TestScriptsAreForgottenAtAnyMoment(t *testing.T) {
	for name, sv := range kinds {
		t.Run(name, func(t *testing.T) {
			x := newSpace(t, sv.URL(t))
			h := &onStep{do: func(context.Context) error { return nil }}
			s := x.open(t, hook(redistest.Client(t, x.url, nil), h))
			ctx, stop := context.WithCancel(t.Context())
			var flushing sync.WaitGroup
			flushing.Go(func() {
				for ctx.Err() == nil {
					if err := x.flush(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
			const workers, each = 4, 100
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					for n := range each {
						if err := visit(t.Context(), s, "a"); err != nil {
							t.Error(err)
						}
						if n%10 == 0 {
							owner := string(rune('A' + w))
							for i := range 5 {
								if _, err := s.Create(t.Context(), owner+string(rune('a'+i)), store.Record{Owner: owner}, time.Hour); err != nil {
									t.Error(err)
								}
							}
							if n, err := s.DeleteOwner(t.Context(), owner); n != 5 || err != nil {
								t.Errorf("%d of 5 ended, %v", n, err)
							}
						}
					}
				})
			}
			wg.Wait()
			stop()
			flushing.Wait()
			if e, err := s.Load(t.Context(), "a"); err != nil || string(e.Data) != "400" {
				t.Errorf("the count is %s, want 400; %v", e.Data, err)
			}
			if n := h.missed.Load(); n < 100 {
				t.Errorf("%d scripts were missed: this shows little", n)
			}
		})
	}
}

// The script is forgotten between a lost reply and the repeat: that is made all the same,
// and finds what the first attempt did.
func TestScriptsAreForgottenBeforeTheRepeat(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	s, direct := x.open(t, client), x.open(t, x.client)
	calls := func(v store.Revision) map[string]func() error {
		return map[string]func() error{
			"create": func() error {
				_, err := s.Create(t.Context(), "b", store.Record{Owner: "o"}, time.Hour)
				return err
			},
			"update": func() error { _, err := s.Update(t.Context(), "a", store.Record{}, time.Hour, v); return err },
			"touch":  func() error { return s.Touch(t.Context(), "a", time.Hour) },
			"delete": func() error { return s.Delete(t.Context(), "a") },
			"delete owner": func() error {
				_, err := s.DeleteOwner(t.Context(), "o")
				if left := ids(t, direct, store.Query{Owner: "o"}); err == nil && len(left) > 0 {
					err = errors.New("the owner has a session")
				}
				return err
			},
			"clear": func() error { return s.Clear(t.Context()) },
		}
	}
	for what := range calls(0) {
		// Once for the script, and once with the fault.
		for _, lost := range []bool{false, true} {
			if err := direct.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			call := calls(verbs.Theirs(t, direct))[what]
			if !lost {
				want(t, what, call(), nil)
				continue
			}
			undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { want(t, "flush", x.flush(t.Context()), nil) }})
			err := call()
			if undo() != 1 {
				t.Errorf("%s: no reply was lost", what)
			}
			want(t, what, err, nil)
		}
	}
}
