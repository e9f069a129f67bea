package mongo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sojourn-go/sojourn/internal/integration/dump"
	"github.com/sojourn-go/sojourn/internal/integration/verbs"
	"github.com/sojourn-go/sojourn/mongo"
	"github.com/sojourn-go/sojourn/mongo/mongotest"
	"github.com/sojourn-go/sojourn/store"
)

// withoutTTL has the server remove nothing by itself.
func (x *collection) withoutTTL(tb testing.TB) {
	tb.Helper()
	if err := mongotest.WithoutTTL(tb.Context(), x.Collection); err != nil {
		tb.Fatal(err)
	}
}

// REL-16: expired sessions are swept by two sweepers at once while others are made, touched
// and loaded. Only what has expired goes, a batch at a time; the load goes on.
func TestSweepUnderLoad(t *testing.T) {
	t.Parallel()
	expired := 10_000
	if full() {
		expired = 1_000_000
	}
	x := newCollection(t, shared.URL(t))
	x.withoutTTL(t)
	s := x.open(t, nil)
	x.fill(t, expired, func(i int) session {
		return session{id: fmt.Sprint("old", i), owner: fmt.Sprint("o", i%100), left: -hour - time.Duration(i)*time.Millisecond}
	})
	for i := range 100 {
		create(t, s, fmt.Sprint("live", i), "kept")
		create(t, s, fmt.Sprint("touched", i), "kept")
	}
	loads := func(stop <-chan struct{}) (n int, longest time.Duration, err error) {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return n, longest, nil
			default:
			}
			began := time.Now()
			if _, err := s.Load(t.Context(), fmt.Sprint("live", i%100)); err != nil {
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
	var removed, replaced atomic.Int64
	var wg, others sync.WaitGroup
	for range 2 {
		other := x.open(t, mongotest.Client(t, x.url, nil))
		wg.Go(func() {
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
			// In the place of one that has expired, or was swept.
			id := fmt.Sprint("old", i%expired)
			if _, err := s.Create(t.Context(), id, store.Record{Data: []byte("new")}, hour); err == nil {
				replaced.Add(1)
			} else if !errors.Is(err, store.ErrExists) {
				t.Error(err)
			}
		}
	})
	others.Go(func() {
		n, longest, err := loads(swept)
		t.Logf("during the sweep: %d loads, the longest %v", n, longest)
		if err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	close(swept)
	others.Wait()
	if n, err := x.CountDocuments(t.Context(), bson.D{{Key: "data", Value: bson.Binary{Data: []byte("x")}}}); n != 0 || err != nil {
		t.Errorf("%d that have expired are left, %v", n, err)
	}
	if n, err := x.CountDocuments(t.Context(), bson.D{}); n != 200+replaced.Load() || err != nil {
		t.Errorf("%d sessions are left, want 200 and %d that were created meanwhile; %v", n, replaced.Load(), err)
	}
	// An expired one can be replaced before it is swept, and then is not.
	if n := removed.Load(); n > int64(expired) || n < int64(expired)-replaced.Load() {
		t.Errorf("%d were swept of %d, %d replaced", n, expired, replaced.Load())
	}
}

// SWEEP-1 between the two commands: what came to life after it was found stays.
func TestSweepAsksAgain(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	x.withoutTTL(t)
	heard := &onCommand{name: "delete"}
	s := x.open(t, mongotest.Client(t, x.url, nil, heard.monitor))
	x.fill(t, 1200, func(i int) session { return session{id: fmt.Sprintf("old%04d", i), left: -hour} })
	heard.next(func() {
		if _, err := x.UpdateMany(context.Background(), bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: "old0010"}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "deadline", Value: inAnHour()}}}}); err != nil {
			t.Error(err)
		}
	})
	n, err := s.Sweep(t.Context())
	if n != 1190 || err != nil {
		t.Errorf("%d were swept, %v; want 1190", n, err)
	}
	if n, err := s.Count(t.Context()); n != 10 || err != nil {
		t.Errorf("%d are left, %v; want 10", n, err)
	}
	deletes := 0
	for _, cmd := range heard.take() {
		if first(t, cmd) == "delete" {
			deletes++
		}
	}
	if deletes != 3 {
		t.Errorf("1200 are removed by %d commands, want 3 of 500 at most", deletes)
	}
}

// A batch that takes longer than a call may is made smaller, for whatever removes many.
func TestSlowBatches(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for what, call := range map[string]func(s *mongo.Store) error{
		"sweep": func(s *mongo.Store) error {
			n, err := s.Sweep(t.Context())
			if err == nil && n > 600 {
				err = fmt.Errorf("%d were swept", n)
			}
			return err
		},
		"clear":        func(s *mongo.Store) error { return s.Clear(t.Context()) },
		"delete owner": func(s *mongo.Store) error { _, err := s.DeleteOwner(t.Context(), "o"); return err },
	} {
		x := newCollection(t, shared.URL(t))
		x.withoutTTL(t)
		x.fill(t, 600, func(i int) session { return session{id: fmt.Sprint("n", i), owner: "o", left: -hour} })
		// The network holds a command up that removes many, for longer than the call.
		s := x.open(t, mongotest.Client(t, x.url, nil, noRepeats, func(o *options.ClientOptions) { o.SetDialer(slowIfLong{}) }))
		wg.Go(func() {
			if err := call(s); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if n, err := x.CountDocuments(t.Context(), bson.D{}); n != 0 || err != nil {
				t.Errorf("%s: %d are left, %v", what, n, err)
			}
		})
	}
}

// slowIfLong holds up what is longer than the ids of a small batch.
type slowIfLong struct{ net.Dialer }

func (d slowIfLong) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &slowConn{c}, nil
}

type slowConn struct{ net.Conn }

func (c *slowConn) Write(b []byte) (int, error) {
	if len(b) > 4000 {
		time.Sleep(3 * time.Second) // longer than the store's call time
	}
	return c.Conn.Write(b)
}

// The server removes what has expired by the index that Migrate makes.
func TestServerRemovesByItself(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	s := x.open(t, nil)
	create(t, s, "live", "")
	x.fill(t, 50, func(i int) session { return session{id: fmt.Sprint("old", i), left: -hour} })
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		n, err := x.CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Since(began) > 90*time.Second { // a server's own interval is a minute
			t.Fatalf("%d documents after %v", n, time.Since(began))
		}
	}
	if _, err := s.Load(t.Context(), "live"); err != nil {
		t.Error(err)
	}
}

// CREATE-3 and CREATE-4 at once: of many that create in the place of one that has expired,
// one does; and of many that create what is not there.
func TestManyCreateInThePlaceOfTheExpired(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	x.withoutTTL(t)
	s := x.open(t, nil)
	rounds := 50
	if full() {
		rounds = 2000
	}
	for round := range rounds {
		id := fmt.Sprint("n", round)
		if round%3 != 0 {
			x.fill(t, 1, func(int) session { return session{id: id, left: -hour} })
		}
		const clients = 8
		type answer struct {
			data string
			rev  store.Revision
			err  error
		}
		done := make(chan answer, clients)
		start := make(chan struct{})
		for i := range clients {
			go func() {
				<-start
				data := fmt.Sprint(i)
				v, err := s.Create(t.Context(), id, store.Record{Data: []byte(data)}, hour)
				done <- answer{data, v, err}
			}()
		}
		close(start)
		var won []answer
		for range clients {
			if a := <-done; a.err == nil {
				won = append(won, a)
			} else if !errors.Is(a.err, store.ErrExists) {
				t.Errorf("round %d: %v", round, a.err)
			}
		}
		e, err := s.Load(t.Context(), id)
		if len(won) != 1 || err != nil || e.Revision != won[0].rev || string(e.Data) != won[0].data {
			t.Fatalf("round %d: %+v have created it, and there is %+v, %v", round, won, e, err)
		}
	}
}

// explained are the stages of the plan by which the server would do what was sent.
func (x *collection) explained(tb testing.TB, cmd bson.Raw) string {
	tb.Helper()
	elements, err := cmd.Elements()
	if err != nil {
		tb.Fatal(err)
	}
	var plain bson.D
	for _, el := range elements {
		switch key := el.Key(); {
		case strings.HasPrefix(key, "$"), key == "lsid", key == "txnNumber", key == "writeConcern", key == "readConcern", key == "maxTimeMS", key == "ordered":
		default:
			plain = append(plain, bson.E{Key: key, Value: el.Value()})
		}
	}
	var plan bson.Raw
	explain := bson.D{{Key: "explain", Value: plain}, {Key: "verbosity", Value: "queryPlanner"}}
	if err := x.Database().RunCommand(tb.Context(), explain).Decode(&plan); err != nil {
		tb.Fatalf("%s: %v", plain[0].Key, err)
	}
	var all bson.D
	if err := bson.Unmarshal(plan, &all); err != nil {
		tb.Fatal(err)
	}
	text, err := bson.MarshalExtJSON(chosen(all), false, false)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// chosen is a plan without those that the server has rejected.
func chosen(plan any) any {
	switch p := plan.(type) {
	case bson.D:
		var out bson.D
		for _, e := range p {
			if e.Key != "rejectedPlans" {
				out = append(out, bson.E{Key: e.Key, Value: chosen(e.Value)})
			}
		}
		return out
	case bson.A:
		for i := range p {
			p[i] = chosen(p[i])
		}
	}
	return plan
}

// Every query of the store is done by an index, whatever the planner might prefer in a
// small collection.
func TestEveryQueryHasAnIndex(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	x.withoutTTL(t)
	heard := &onCommand{}
	s := x.open(t, mongotest.Client(t, x.url, nil, heard.monitor))
	x.fill(t, 5000, func(i int) session {
		x := session{id: fmt.Sprintf("n%05d", i), left: time.Duration(i-1000) * time.Minute}
		if i%2 == 0 {
			x.owner = fmt.Sprint("o", i%50)
		}
		return x
	})
	v := verbs.Theirs(t, s)
	list := func(q store.Query) error {
		for _, err := range s.List(t.Context(), q) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		what string
		call func() error
	}{
		{"load", func() error { _, err := s.Load(t.Context(), "a"); return err }},
		{"create", func() error { _, err := s.Create(t.Context(), "b", store.Record{}, hour); return err }},
		{"update", func() error { _, err := s.Update(t.Context(), "a", store.Record{Owner: "o"}, hour, v); return err }},
		{"touch", func() error { return s.Touch(t.Context(), "a", hour) }},
		{"delete", func() error { return s.Delete(t.Context(), "b") }},
		{"list", func() error { return list(store.Query{Data: true}) }},
		{"list of an owner", func() error { return list(store.Query{Owner: "o2"}) }},
		{"count", func() error { _, err := s.Count(t.Context()); return err }},
		{"sweep", func() error { _, err := s.Sweep(t.Context()); return err }},
		{"delete owner", func() error { _, err := s.DeleteOwner(t.Context(), "o2"); return err }},
		{"ping", func() error { return s.Ping(t.Context()) }},
	} {
		heard.take()
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		explained := 0
		for _, cmd := range heard.take() {
			switch first(t, cmd) {
			case "hello", "getMore":
				continue
			}
			explained++
			plan := x.explained(t, cmd)
			if strings.Contains(plan, "COLLSCAN") || !strings.Contains(plan, "IXSCAN") && !strings.Contains(plan, "IDHACK") && !strings.Contains(plan, "EXPRESS") && !strings.Contains(plan, "COUNT_SCAN") {
				t.Errorf("%s: %s is done by\n%s", c.what, first(t, cmd), plan)
			}
			wanted := map[string]string{"list of an owner": "sojourn_owner", "sweep": "deadline_1", "count": "deadline_1"}[c.what]
			if first(t, cmd) != "delete" && !strings.Contains(plan, wanted) {
				t.Errorf("%s: %s is done without %s, by\n%s", c.what, first(t, cmd), wanted, plan)
			}
			if strings.Contains(plan, `"SORT"`) {
				t.Errorf("%s: %s sorts\n%s", c.what, first(t, cmd), plan)
			}
		}
		if explained == 0 {
			t.Errorf("%s: nothing was explained", c.what)
		}
	}
}

// SEC-04: what the database gives out has a session's data and owner, and nowhere what is
// in its cookie, in any encoding.
func TestDumpGivesNoLogin(t *testing.T) {
	t.Parallel()
	x := newCollection(t, shared.URL(t))
	ids := dump.Fill(t, x.open(t, nil))
	c, err := x.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	var raw bytes.Buffer // as mongodump writes it
	var text strings.Builder
	for c.Next(t.Context()) {
		raw.Write(c.Current)
		line, err := bson.MarshalExtJSON(c.Current, true, false) // as mongoexport does
		if err != nil {
			t.Fatal(err)
		}
		text.Write(line)
	}
	if !strings.Contains(raw.String(), dump.Data) {
		t.Fatal("the dump does not hold the sessions' data")
	}
	dump.Search(t, "the dump", raw.String(), ids)
	dump.Search(t, "the export", text.String(), ids)
	// The files of the server, its log of operations among them.
	sv := shared.Container(t)
	if sv.URL() != x.url {
		t.Skip("the server of the variable is not in a container: nobody can read its files")
	}
	files, err := sv.Exec(t.Context(), "bash", "-c", "cat /data/db/* /data/db/*/* 2>/dev/null | tr -s '\\000'") // most of a log is nothing yet
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10_000 {
		t.Fatalf("the server has %d bytes of files", len(files))
	}
	dump.Search(t, "the files of the server", files, ids)
}
