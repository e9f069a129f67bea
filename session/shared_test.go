package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// goods has everything in it that two who hold it could share.
type goods struct {
	List  []string
	Table map[string][]int
	Next  *goods
	Raw   rawText
	Bytes []byte
}

// rawText keeps the very bytes that it is given, which encoding/json asks nobody to do.
type rawText []byte

func (r *rawText) UnmarshalJSON(b []byte) error { *r = b; return nil }
func (r rawText) MarshalJSON() ([]byte, error)  { return r, nil }

func freshGoods() goods {
	g := goods{List: []string{"a", "b"}, Table: map[string][]int{"x": {1, 2}}, Raw: rawText(`"raw"`), Bytes: []byte("bytes")}
	next := g
	next.List, next.Table, next.Bytes, next.Raw = slices.Clone(g.List), maps.Clone(g.Table), bytes.Clone(g.Bytes), bytes.Clone(g.Raw)
	g.Next = &next
	return g
}

func (g *goods) spoil() {
	g.List[0], g.Table["x"][0], g.Table["new"], g.Bytes[0] = "spoilt", 99, []int{1}, 'X'
	copy(g.Raw, `"XXX"`)
	if g.Next != nil {
		g.Next.spoil()
	}
}

// SEC-21: what a handler changes in a value that it was given, or has given, changes
// nothing: not in its own session, and in nobody else's.
func TestSEC21NothingIsShared(t *testing.T) {
	st := newSite(t, session.Options{})
	key := session.NewKey[goods]("goods")
	asPointer := session.NewKey[*goods]("goods")
	a, b := st.browser(), st.browser()
	want := fmt.Sprintf("%+v %+v", freshGoods().List, freshGoods().Next.Table)
	check := func(what string, s *session.Session) {
		t.Helper()
		g := key.Get(s)
		if got := fmt.Sprintf("%+v %+v", g.List, g.Next.Table); got != want || string(g.Raw) != `"raw"` || string(g.Bytes) != "bytes" || len(g.Table) != 1 {
			t.Errorf("%s: %+v %s", what, g, g.Raw)
		}
	}
	for _, x := range []*browser{a, b} {
		x.use(func(s *session.Session) error {
			g := freshGoods()
			err := key.Set(s, g)
			g.spoil()
			check("spoilt after Set", s)
			return err
		})
	}
	b.use(func(other *session.Session) error { // loaded before the other spoils it
		a.use(func(s *session.Session) error {
			g := key.Get(s)
			g.spoil()
			check("spoilt after Get", s)
			p := asPointer.Get(s)
			p.spoil()
			l, _, err := key.Lookup(s)
			l.spoil()
			check("spoilt after Lookup", s)
			return err
		})
		check("the other, in flight", other)
		return nil
	})
	a.use(func(s *session.Session) error { check("stored", s); return nil })
	a.use(func(s *session.Session) error {
		g, err := key.Update(s, func(g goods) goods { return g })
		g.spoil()
		check("spoilt after Update", s)
		return err
	})
	a.use(func(s *session.Session) error {
		check("stored after Update", s)
		b.use(func(s *session.Session) error {
			g, err := key.Pop(s)
			g.spoil()
			return err
		})
		check("after the other's Pop", s)
		return nil
	})
	a.use(func(s *session.Session) error { check("at the end", s); return nil })
}

// SEC-21: a hostile record goes through a whole request: it is an error or a session, the
// server stays, and what the client gets has nothing of it.
func TestSEC21HostileRecordsThroughARequest(t *testing.T) {
	shared := memory.New(nil)
	st := newSiteOn(t, shared, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error {
		return errors.Join(name.Set(s, "alice"), visits.Set(s, 1), s.SetOwner("alice"), s.SetDevice("x"))
	})
	var key string
	var good []byte
	for l := range st.store.List(ctx, store.Query{Data: true}) {
		if key = l.ID; bytes.Contains(l.Data, []byte("alice")) {
			good = bytes.Clone(l.Data)
			break
		}
	}
	if good == nil {
		t.Fatal("no record")
	}
	hostile := [][]byte{
		nil,
		{},
		{0},
		[]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), []byte("null"), []byte("{}"), bytes.Repeat([]byte{0x1a}, 1000),
		append(bytes.Clone(good), good...), []byte("\x1a\xff\xff\xff\xff\x0f"), []byte("\x08\x01\x6a\xff\xff\xff\xff\x07"),
		append(bytes.Clone(good), "\x1a\x0c\x0a\x06visits\x12\x02{["...), bytes.Repeat([]byte("\x1a\x00"), 100_000),
	}
	for i := range good { // each byte turned, and each place to cut
		turned := bytes.Clone(good)
		turned[i] ^= 0xff
		hostile = append(hostile, turned, good[:i])
	}
	h := st.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			st.manager.Error(w, r, err)
			return
		}
		_, _, _ = visits.Lookup(s)
		_ = fmt.Sprint(s.Owner(), s.Device(), s.Handle(), s.Began(), s.Ends(), s.AuthenticatedAt(), s.AuthenticatedBy(), s.Persistent(), s.New())
		_, _ = visits.Update(s, plus1)
		if r.Method == http.MethodPost {
			_ = s.Renew(0)
		}
		fmt.Fprint(w, "page")
	}))
	codes := map[int]int{}
	for i, data := range hostile {
		for _, method := range []string{"GET", "POST"} {
			if err := shared.Delete(ctx, key); err != nil {
				t.Fatal(err)
			}
			if _, err := shared.Create(ctx, key, store.Record{Data: data, Owner: "alice"}, 1e9*60); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(method, "/", nil)
			r.Header.Set("Cookie", b.cookie)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			codes[w.Code]++
			if w.Code != 200 && (w.Code != 503 || w.Header().Get("Set-Cookie") != "") {
				t.Errorf("record %d, %s: status %d, %v", i, method, w.Code, w.Header())
			}
			if s := w.Body.String() + fmt.Sprint(w.Header()); strings.Contains(s, "alice") {
				t.Errorf("record %d: the client sees %q", i, s)
			}
		}
	}
	if codes[200] == 0 || codes[503] == 0 {
		t.Errorf("statuses: %v", codes)
	}
}
