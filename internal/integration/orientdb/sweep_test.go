package orientdb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
	"github.com/sojourn-go/sojourn/store"
)

// heard is the statements that a client has sent, and what came back.
type heard struct {
	http.RoundTripper
	mu  sync.Mutex
	all []exchange
}

type exchange struct {
	sql    string
	params map[string]any
	status int
}

// hear has a client that is listened to.
func hear(tb testing.TB) (*heard, *http.Client) {
	client := orientdbtest.Client(tb, nil)
	h := &heard{RoundTripper: client.Transport}
	return h, &http.Client{Transport: h}
}

func (h *heard) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	text, _ := io.ReadAll(body)
	var sent struct {
		Command    string
		Parameters map[string]any
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a revision is exact
	if err := d.Decode(&sent); err != nil {
		return nil, err
	}
	resp, err := h.RoundTripper.RoundTrip(req)
	e := exchange{sql: sent.Command, params: sent.Parameters}
	if err == nil {
		e.status = resp.StatusCode
	}
	h.mu.Lock()
	h.all = append(h.all, e)
	h.mu.Unlock()
	return resp, err
}

// take are the statements since it was last asked.
func (h *heard) take() []exchange {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

// answered is how many were answered with the status.
func (h *heard) answered(status int) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.all {
		if e.status == status {
			n++
		}
	}
	return n
}

// The lives of sessions that are filled in.
const (
	anHourAgo = `sysdate().asLong()-3600000`
	inAnHour  = `sysdate().asLong()+3600000`
)

// older has graves be from two minutes ago: later, in milliseconds. A sweep may leave those
// of the minute before for the next.
const (
	older = `UPDATE {class} SET due=(exp+120000)/60000, exp=exp+120000 WHERE exp<0`
	later = 120000
)

// fill adds n sessions with these fields, in which $i counts up from 0, and this end.
func (x *class) fill(tb testing.TB, n int, fields, end string) {
	tb.Helper()
	// A class is dropped with a lock for which every insert into the database waits, and
	// its records are deleted one by one: so it is emptied before.
	tb.Cleanup(func() {
		_, _ = orientdbtest.SQL(context.Background(), x.db, "TRUNCATE CLASS `"+x.opts.Class+"` UNSAFE", nil)
	})
	for from := 0; from < n; from += 5000 {
		script := fmt.Sprintf("BEGIN; LET $i=%d; WHILE ($i < %d) { INSERT INTO `%s` SET %s, exp=%s, due=(%s)/60000; LET $i=$i+1; } COMMIT;",
			from, min(n, from+5000), x.opts.Class, fields, end, end)
		body, err := json.Marshal(map[string]any{"command": script})
		if err == nil {
			_, err = orientdbtest.Post(tb.Context(), x.db, "/command/"+x.db.Name+"/script", body)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// number is the one of an answer that has one line: a count.
func number(tb testing.TB, found []map[string]any) int {
	tb.Helper()
	n, err := counted(found)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func counted(found []map[string]any) (int, error) {
	if len(found) == 1 && len(found[0]) == 1 {
		for _, v := range found[0] {
			if n, ok := v.(json.Number); ok {
				i, err := n.Int64()
				return int(i), err
			}
		}
	}
	return 0, fmt.Errorf("no count: %v", found)
}

// change sends a statement that changes records of the class, {class}, and returns how many.
// It is sent again where it has met another's write.
func (x *class) change(ctx context.Context, sql string, params map[string]any) (int, error) {
	for {
		found, err := orientdbtest.SQL(ctx, x.db, strings.ReplaceAll(sql, "{class}", "`"+x.opts.Class+"`"), params)
		if err != nil && strings.Contains(err.Error(), "OConcurrentModificationException") {
			continue
		}
		if err != nil {
			return 0, err
		}
		return counted(found)
	}
}

// sweeping are the statements that bury what has expired, and those that delete what is
// buried.
func sweeping(all []exchange) (bury, purge []exchange) {
	for _, e := range all {
		switch {
		case strings.HasPrefix(e.sql, "UPDATE") && strings.Contains(e.sql, "due<="):
			bury = append(bury, e)
		case strings.HasPrefix(e.sql, "DELETE"):
			purge = append(purge, e)
		}
	}
	return bury, purge
}

// A sweep buries what has expired, in batches, and deletes in batches what was buried more
// than a minute anHourAgo. What is alive stays, though its due, by which it is found, is over.
func TestSweepInBatches(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	s := x.open(t, client)
	x.fill(t, 1200, `id='s:old'+$i, owner='o:o', rev=7`, anHourAgo)
	x.fill(t, 100, `id='s:alive'+$i, owner='o:o', rev=7`, inAnHour)
	x.sql(t, `UPDATE {class} SET due=1 WHERE id LIKE 's:alive%'`, nil)
	sweep := func(want, buries, purges int) {
		t.Helper()
		h.take()
		if n, err := s.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("%d were swept, %v; want %d", n, err, want)
		}
		bury, purge := sweeping(h.take())
		if len(bury) != buries || len(purge) != purges {
			t.Errorf("%d statements bury, want %d; %d delete, want %d", len(bury), buries, len(purge), purges)
		}
		for _, e := range append(bury, purge...) {
			if !strings.HasSuffix(e.sql, " LIMIT 512") {
				t.Errorf("a statement without a bound: %s", e.sql)
			}
		}
	}
	left := func(graves int) {
		t.Helper()
		if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE exp<0`, nil)); n != graves {
			t.Errorf("%d graves, want %d", n, graves)
		}
		if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class}`, nil)); n != graves+100 {
			t.Errorf("%d records, want %d", n, graves+100)
		}
	}
	sweep(1200, 3, 1)
	left(1200)
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE exp<0 AND (data IS NOT NULL OR due>=0 OR NOT (id LIKE 'x:%') OR NOT (owner LIKE 'm:%'))`, nil)); n != 0 {
		t.Errorf("%d graves have something in them", n)
	}
	sweep(0, 1, 1)
	left(1200)
	x.sql(t, older, nil)
	sweep(0, 1, 3)
	left(0)
	if n, err := s.Count(t.Context()); n != 100 || err != nil {
		t.Errorf("%d are alive, %v; want 100", n, err)
	}
}

// Several sweep at once: together they say how many had expired, though they get in each
// other's way.
func TestSweepersAtOnce(t *testing.T) {
	t.Parallel()
	x := newClass(t, shared.URL(t))
	h, client := hear(t)
	x.fill(t, 1200, `id='s:old'+$i, rev=7`, anHourAgo)
	x.fill(t, 100, `id='s:alive'+$i, rev=7`, inAnHour)
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		s := x.open(t, client)
		wg.Go(func() {
			n, err := s.Sweep(t.Context())
			if err != nil {
				t.Error(err)
			}
			sum.Add(int64(n))
		})
	}
	wg.Wait()
	if sum.Load() != 1200 {
		t.Errorf("together they have swept %d, want 1200", sum.Load())
	}
	if h.answered(http.StatusConflict) == 0 {
		t.Error("they did not meet")
	}
	if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE exp>=0`, nil)); n != 100 {
		t.Errorf("%d are left, want 100", n)
	}
}

// REL-16: expired sessions are swept by two sweepers at once while others are made, touched
// and loaded. Only what has expired goes; the load goes on.
func TestSweepUnderLoad(t *testing.T) {
	t.Parallel()
	expired := 2000
	if full() {
		expired = 1_000_000
	}
	x := newClass(t, shared.URL(t))
	s := x.open(t, nil)
	x.fill(t, expired, `id='s:old'+$i, owner='o:'+($i % 100), rev=7`, anHourAgo)
	x.fill(t, 100, `id='s:alive'+$i, data='a2VwdA==', rev=7`, inAnHour)
	x.fill(t, 100, `id='s:touched'+$i, data='a2VwdA==', rev=7`, inAnHour)
	x.sql(t, `UPDATE {class} SET due=1 WHERE exp>sysdate().asLong()`, nil) // the sweepers find them all
	loads := func(stop <-chan struct{}) (n int, longest time.Duration, err error) {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return n, longest, nil
			default:
			}
			began := time.Now()
			if _, err := s.Load(t.Context(), fmt.Sprint("alive", i%100)); err != nil {
				return n, longest, err
			}
			n, longest = n+1, max(longest, time.Since(began))
		}
	}
	quietly := make(chan struct{})
	time.AfterFunc(time.Second/2, func() { close(quietly) })
	n, quiet, err := loads(quietly)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("quiet: %d loads, the longest %v", n, quiet)

	swept := make(chan struct{})
	var removed, touched, replaced atomic.Int64
	var sweepers, others sync.WaitGroup
	for range 2 {
		other := x.open(t, nil)
		sweepers.Go(func() {
			n, err := other.Sweep(t.Context())
			if err != nil {
				t.Error(err)
			}
			removed.Add(int64(n))
		})
	}
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-swept:
				return
			default:
			}
			if err := s.Touch(t.Context(), fmt.Sprint("touched", i%100), hour); err != nil {
				t.Error(err)
			}
			touched.Add(1)
			// In the place of one that has expired, or was swept.
			if _, err := s.Create(t.Context(), fmt.Sprint("old", i%expired), store.Record{Data: []byte("new")}, hour); err == nil {
				replaced.Add(1)
			} else if !errors.Is(err, store.ErrExists) {
				t.Error(err)
			}
		}
	})
	began := time.Now()
	others.Go(func() {
		n, longest, err := loads(swept)
		t.Logf("%d swept in %v, meanwhile %d loads, the longest %v, %d touches, %d creates", expired, time.Since(began), n, longest, touched.Load(), replaced.Load())
		if err != nil {
			t.Error(err)
		}
	})
	sweepers.Wait()
	close(swept)
	others.Wait()
	for what, c := range map[string]struct {
		where string
		want  int64
	}{
		"that have expired":  {`exp>=0 AND exp<=sysdate().asLong()`, 0},
		"that are kept":      {`exp>sysdate().asLong() AND rev=7`, 200},
		"that are alive":     {`exp>sysdate().asLong()`, 200 + replaced.Load()},
		"that were replaced": {`exp>sysdate().asLong() AND id LIKE 's:old%'`, replaced.Load()},
	} {
		if n := number(t, x.sql(t, `SELECT count(*) AS n FROM {class} WHERE `+c.where, nil)); int64(n) != c.want {
			t.Errorf("%d %s, want %d", n, what, c.want)
		}
	}
	// An expired one can be replaced before it is swept, and then is not.
	if n := removed.Load(); n > int64(expired) || n < int64(expired)-replaced.Load() {
		t.Errorf("%d were swept of %d, %d replaced", n, expired, replaced.Load())
	}
	if touched.Load() == 0 || replaced.Load() == 0 {
		t.Error("the load did not go on")
	}
}

// The background sweeper buries by itself, says what went wrong, and goes on after it.
func TestBackgroundSweeper(t *testing.T) {
	t.Parallel()
	x := unmade(t, shared.URL(t))
	failed := make(chan error, 1)
	x.opts.SweepEvery = 10 * time.Millisecond
	x.opts.OnError = func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	s := x.open(t, nil)
	if err := <-failed; !strings.Contains(err.Error(), "sweep") || !strings.Contains(err.Error(), "Migrate") {
		t.Errorf("told %v, want an error that says that there is no class", err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	create(t, s, "alive", "")
	x.fill(t, 700, `id='s:old'+$i, rev=7`, anHourAgo)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for left := 1; left > 0; {
		found, err := orientdbtest.SQL(ctx, x.db, "SELECT count(*) AS n FROM `"+x.opts.Class+"` WHERE exp>=0 AND exp<=sysdate().asLong()", nil)
		if err != nil {
			t.Fatal(err)
		}
		left = number(t, found)
	}
	if n, err := s.Count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d are alive, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
