package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/store"
)

// A touch that came between a lost reply and the repeat is not undone by it: the
// repeat finds its own revision and writes nothing.
func TestRepeatLeavesALaterTouchAlone(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	s, other := x.open(t, client), x.open(t, x.client)
	for name, owner := range map[string]string{"nobody's": "", "somebody's": "o"} {
		if err := other.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		rec := store.Record{Data: []byte("1"), Owner: owner}
		v, err := other.Create(t.Context(), "a", rec, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		// So that the server knows the scripts: of a call that it does not, no write is lost.
		if _, err := other.Create(t.Context(), "c", rec, time.Hour); err != nil {
			t.Fatal(err)
		}
		if v, err = other.Update(t.Context(), "a", rec, time.Hour, v); err != nil {
			t.Fatal(err)
		}
		for id, write := range map[string]func() error{
			"b": func() error { _, err := s.Create(t.Context(), "b", rec, time.Hour); return err },
			"a": func() error { _, err := s.Update(t.Context(), "a", rec, time.Hour, v); return err },
		} {
			undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
				if err := other.Touch(t.Context(), id, 9*time.Hour); err != nil {
					t.Errorf("touch in between: %v", err)
				}
			}})
			err := write()
			if n := undo(); n != 1 || err != nil {
				t.Fatalf("%s, %s: %v, the fault struck %d times", name, id, err, n)
			}
			if e, err := s.Load(t.Context(), id); err != nil || e.TTL < 8*time.Hour {
				t.Errorf("%s, %s: the life is %v after a touch to 9 h, %v", name, id, e.TTL, err)
			}
		}
	}
}

// REL-09: somebody wrote between a lost reply and the repeat. Nobody can tell whether
// on top of the first attempt, and no error says that he can.
func TestForeignWriteIsUnknown(t *testing.T) {
	x := newSpace(t, shared.URL(t))
	p, client := x.behind(t)
	s, other := x.open(t, client), x.open(t, x.client)
	if err := visit(t.Context(), other, "warm"); err != nil {
		t.Fatal(err)
	}
	if err := visit(t.Context(), other, "warm"); err != nil { // the server knows the script
		t.Fatal(err)
	}
	v := create(t, other, "a", "1")
	for what, c := range map[string]struct {
		id, data string
		write    func() error
		between  func() error
	}{
		"update, then another's": {
			"a", "3", func() error {
				_, err := s.Update(t.Context(), "a", store.Record{Data: []byte("2")}, time.Hour, v)
				return err
			}, func() error { return visit(t.Context(), other, "a") },
		},
		"update, then an end": {
			"b", "", func() error {
				_, err := s.Update(t.Context(), "b", store.Record{Data: []byte("2")}, time.Hour, create(t, other, "b", "1"))
				return err
			}, func() error { return other.Delete(t.Context(), "b") },
		},
		"create, then another's update": {
			"c", "2", func() error {
				_, err := s.Create(t.Context(), "c", store.Record{Data: []byte("1")}, time.Hour)
				return err
			}, func() error { return visit(t.Context(), other, "c") },
		},
	} {
		undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() {
			if err := c.between(); err != nil {
				t.Errorf("%s: in between: %v", what, err)
			}
		}})
		err := c.write()
		if undo() != 1 {
			t.Fatalf("%s: the fault never struck", what)
		}
		want(t, what, err, store.ErrUnknown)
		for _, kind := range []error{store.ErrConflict, store.ErrNotFound, store.ErrExists} {
			if errors.Is(err, kind) {
				t.Errorf("%s: it says that it was not applied: %v", what, err)
			}
		}
		// Each of the two, once.
		if e, err := other.Load(t.Context(), c.id); string(e.Data) != c.data || (c.data == "") != errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %q, %v, want %q", what, e.Data, err, c.data)
		}
	}
}
