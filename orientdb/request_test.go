package orientdb_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn/orientdb"
	"github.com/sojourn-go/sojourn/store"
)

// What is sent is one statement, whose values are parameters, in ASCII: of other bytes the
// server would make what its locale says (SEC-24).
func TestWhatIsSent(t *testing.T) {
	st := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, `[{"count":1}]`) })
	s := st.open(t, &orientdb.Options{Class: "Select"})
	id, owner := `a"'\`+"`#12:00:id{now}{class}", "ä\u2028😀\"\\/{now}#12:00"
	data := []byte{0, 1, 255, '"'}
	rev, err := s.Update(t.Context(), id, store.Record{Data: data, Owner: owner}, 1500*time.Microsecond, 1<<63+5)
	if err != nil {
		t.Fatal(err)
	}
	asked := st.all()
	if len(asked) != 1 {
		t.Fatalf("%d requests, want 1", len(asked))
	}
	q := asked[0]
	for _, b := range q.body {
		if b >= utf8.RuneSelf || b < ' ' {
			t.Fatalf("a byte %#x is sent", b)
		}
	}
	if q.path != "/command/app/sql" || q.user != "anna" || q.password != "pä" {
		t.Errorf("%s is asked as %q, %q", q.path, q.user, q.password)
	}
	if want := "UPDATE `Select` SET data=:data, owner=:owner, rev=:rev, exp=sysdate().asLong()+:life,"; !strings.HasPrefix(q.command, want) {
		t.Errorf("the statement is %s", q.command)
	}
	for name, want := range map[string]any{
		"id": "s:" + id, "owner": "o:" + owner, "data": base64.StdEncoding.EncodeToString(data),
		"life": 3.0, // rounded up, and one more
	} {
		if got := q.params[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]int64{"rev": int64(rev), "base": -1<<63 + 5} {
		if !strings.Contains(string(q.body), fmt.Sprintf(`"%s":%d`, name, want)) {
			t.Errorf("%s is not %d, as a number: %s", name, want, q.body)
		}
	}
}

// The password goes along always, and the server's session once it has said it.
func TestServerSession(t *testing.T) {
	given := []string{"one", "", "two", "-", "", "three", ""}
	want := []string{"", "one", "one", "two", "two", "", "three"}
	st := newStub(t, func(n int, w http.ResponseWriter) {
		if c := given[n]; c != "" {
			w.Header().Set("Set-Cookie", "OSESSIONID="+c+"; Path=/; HttpOnly")
		}
		if n == 4 { // it was started again, and does not know who that is
			refuse(w, 401, "401 Unauthorized.")
			return
		}
		rows(w, "[]")
	})
	s := st.open(t, nil)
	for range 6 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for n, q := range st.all() {
		if q.cookie != want[n] || q.user != "anna" {
			t.Errorf("request %d: the session %q, want %q; the user %q", n, q.cookie, want[n], q.user)
		}
	}
}

// A client of the caller's keeps its cookies and its way with redirects to itself.
func TestCallersClient(t *testing.T) {
	elsewhere := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, "[]") })
	st := newStub(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Set-Cookie", "OSESSIONID=one")
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	s, err := orientdb.New(&orientdb.Database{URL: st.URL, Name: "app", User: "anna", Client: client}, &orientdb.Options{SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "it sends elsewhere") {
		t.Errorf("a redirect: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := len(elsewhere.all()); n > 0 {
		t.Errorf("%d requests, with the password, followed the redirect", n)
	}
	if client.Jar != jar || client.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
	if u, _ := url.Parse(st.URL); len(jar.Cookies(u)) > 0 {
		t.Error("the caller's cookies have the server's session")
	}
}

// A connection on which something was refused may have another answer to come, which must
// not be taken for that to the next request. Those that come daily are known not to.
func TestConnectionAfterARefusal(t *testing.T) {
	for content, want := range map[string]int64{
		"com.orientechnologies.orient.core.exception.OConcurrentModificationException: Cannot UPDATE the record #14:5": 1,
		"com.orientechnologies.orient.core.storage.ORecordDuplicatedException: Cannot index record":                    1,
		"com.orientechnologies.orient.core.exception.OStorageException: Exception during execution":                    2,
		"401 Unauthorized.": 2,
		"":                  2,
	} {
		st := newStub(t, func(n int, w http.ResponseWriter) {
			if n == 0 {
				refuse(w, 500, content)
				return
			}
			rows(w, `[{"count":1}]`)
		})
		s := st.open(t, nil)
		_ = s.Delete(t.Context(), "a")
		_ = s.Delete(t.Context(), "a")
		if n := st.conns.Load(); n != want {
			t.Errorf("%q: %d connections, want %d", content, n, want)
		}
	}
}

// An answer that is not to what was asked is no session, nor a change.
func TestAnswerToSomethingElse(t *testing.T) {
	result := ""
	st := newStub(t, func(_ int, w http.ResponseWriter) { rows(w, result) })
	s := st.open(t, &orientdb.Options{Timeout: 50 * time.Millisecond})
	session := `[{"id":"s:b","data":"AAEC","owner":null,"rev":5,"exp":10,"now":1}]`
	for _, result = range []string{session, `[{"count":1}]`, `[{"n":1}]`, `{"id":1}`, `null`} {
		if _, err := s.Load(t.Context(), "a"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("load, answered %s: %v", result, err)
		}
	}
	for _, result = range []string{session, `[]`, `null`, `[{"count":1}]`, `[{"rev":5}]`} {
		if _, err := s.Create(t.Context(), "a", store.Record{}, time.Hour); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("create, answered %s: %v", result, err)
		}
	}
	// What stands in a page as the place of a record goes into the statement for the next.
	for _, result = range []string{`[{"place":"#1:1 OR 1=1","id":"s:a","rev":5,"exp":10,"now":1}]`, `[{"id":"s:a","rev":5,"exp":10,"now":1}]`} {
		for _, err := range s.List(t.Context(), store.Query{}) {
			if err == nil {
				t.Errorf("list, answered %s: a session", result)
			}
		}
	}
	for _, result = range []string{session, `[{"n":1}]`, `[]`, `[{"count":1},{"count":1}]`} {
		if err := s.Delete(t.Context(), "a"); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("delete, answered %s: %v", result, err)
		}
		if _, err := s.Count(t.Context()); err == nil && result != `[{"n":1}]` {
			t.Errorf("count, answered %s: no error", result)
		}
	}
}

// A caller that ends its call while the request is being sent again has no part in the next.
func TestCancelledWhileRepeating(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	st := newStub(t, func(n int, w http.ResponseWriter) {
		if n == 3 {
			cancel()
		}
		refuse(w, 409, "com.orientechnologies.orient.core.exception.OConcurrentModificationException: Cannot UPDATE")
	})
	err := st.open(t, nil).Delete(ctx, "a")
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnknown) || len(st.all()) != 4 {
		t.Errorf("%d requests, %v", len(st.all()), err)
	}
}

// A session that was ended after the server had found it is looked for again.
func TestBuriedMeanwhile(t *testing.T) {
	st := newStub(t, func(n int, w http.ResponseWriter) {
		if n == 0 {
			rows(w, `[{"id":"x:#14:2","data":null,"owner":null,"rev":5,"exp":-10,"now":11}]`)
			return
		}
		rows(w, "[]")
	})
	_, err := st.open(t, nil).Load(t.Context(), "a")
	if !errors.Is(err, store.ErrNotFound) || len(st.all()) != 2 {
		t.Errorf("%d requests, %v", len(st.all()), err)
	}
}

// Batches and pages that take longer than a call may are made smaller, and pages larger
// again.
func TestSmallerPieces(t *testing.T) {
	limit := regexp.MustCompile(`LIMIT (\d+)`)
	var st *stub
	var limits []string
	st = newStub(t, func(n int, w http.ResponseWriter) {
		q := st.all()[n]
		m := limit.FindStringSubmatch(q.command)
		if m == nil { // a look whether anybody is there, or a count of what was buried late
			rows(w, `[{"n":3}]`)
			return
		}
		limits = append(limits, m[1])
		switch {
		case len(limits) <= 2:
			<-q.over // the client gave it up
		case strings.HasPrefix(q.command, "SELECT"):
			place := fmt.Sprintf(`{"place":"#1:%d"}`, n)
			size, _ := strconv.Atoi(m[1])
			if size == page { // the end
				size = 1
			}
			rows(w, "["+strings.Repeat(place+",", size-1)+place+"]")
		default:
			rows(w, `[{"count":0}]`)
		}
	})
	s := st.open(t, &orientdb.Options{Timeout: 50 * time.Millisecond})
	for _, err := range s.List(t.Context(), store.Query{}) {
		t.Errorf("list: %v", err)
	}
	if want := "512 64 8 16 32 64 128 256 512"; strings.Join(limits, " ") != want {
		t.Errorf("pages of %v, want %s", limits, want)
	}
	limits = nil
	if n, err := s.Sweep(t.Context()); n != 6 || err != nil {
		t.Errorf("sweep: %d, %v, want what the two late ones have buried", n, err)
	}
	if want := "512 64 8 512"; strings.Join(limits, " ") != want {
		t.Errorf("batches of %v, want %s", limits, want)
	}
}

// page is as many as one is asked for.
const page = 512

// Close, while a call is repeated, leaves no connection.
func TestCloseWhileRepeating(t *testing.T) {
	asked := make(chan struct{}, 1)
	st := newStub(t, func(n int, w http.ResponseWriter) {
		if n == 2 {
			asked <- struct{}{}
		}
		refuse(w, 409, "com.orientechnologies.orient.core.exception.OConcurrentModificationException: Cannot UPDATE")
	})
	s := st.open(t, nil)
	done := make(chan error)
	go func() { done <- s.Delete(t.Context(), "a") }()
	<-asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, store.ErrClosed) {
		t.Errorf("the call ended with %v", err)
	}
	for began := time.Now(); st.live.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			t.Fatal("a connection stays open")
		}
	}
}

// A transport that a program has put in the place of the default one, or a proxy that the
// environment names, are not for the store's own client.
func TestOwnClient(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	http.DefaultTransport = http.NewFileTransport(http.Dir(t.TempDir()))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s, err := orientdb.New(&orientdb.Database{URL: "http://localhost.invalid:2480", Name: "app", User: "u"}, &orientdb.Options{SweepEvery: -1, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "proxy") {
		t.Error(err)
	}
}
