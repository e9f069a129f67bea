package store_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// bare has the five verbs and nothing else.
type bare struct{ store.Store }

// able has one ability more, and hides nothing.
type able struct {
	bare
	closed int
}

func (*able) Count(context.Context) (int, error) { return 7, nil }
func (a *able) Close() error                     { a.closed++; return nil }

// wrapper shows what it wraps.
type wrapper struct{ store.Store }

func (w wrapper) Unwrap() store.Store { return w.Store }

func TestChecksRefuse(t *testing.T) {
	ctx := context.Background()
	long := strings.Repeat("x", 256)
	ok := store.Record{Data: []byte("d"), Owner: "user:42"}
	for name, err := range map[string]error{
		"empty id":           store.CheckID(""),
		"long id":            store.CheckID(long),
		"space in id":        store.CheckID("a b"),
		"NUL in id":          store.CheckID("a\x00"),
		"DEL in id":          store.CheckID("a\x7f"),
		"id beyond ASCII":    store.CheckID("é"),
		"long owner":         store.CheckOwner(long),
		"newline in owner":   store.CheckOwner("a\nb"),
		"C1 in owner":        store.CheckOwner("a\u0085"),
		"owner not UTF-8":    store.CheckOwner("a\xff"),
		"ttl 0":              store.CheckTTL(0),
		"ttl below 0":        store.CheckTTL(math.MinInt64),
		"base 0":             store.CheckBase(0),
		"load":               store.CheckLoad(ctx, ""),
		"create, id":         store.CheckCreate(ctx, "", ok, 1, 0),
		"create, owner":      store.CheckCreate(ctx, "a", store.Record{Owner: "\n"}, 1, 0),
		"create, ttl":        store.CheckCreate(ctx, "a", ok, 0, 0),
		"update, base":       store.CheckUpdate(ctx, "a", ok, 1, 0, 0),
		"touch, ttl":         store.CheckTouch(ctx, "a", -1),
		"touch, id":          store.CheckTouch(ctx, "", 1),
		"delete":             store.CheckDelete(ctx, ""),
		"delete nobody's":    store.CheckDeleteOwner(ctx, ""),
		"delete bad owner's": store.CheckDeleteOwner(ctx, "\xff"),
		"list bad owner's":   store.CheckQuery(ctx, store.Query{Owner: "\x00"}),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	for name, err := range map[string]error{
		"id of 1":     store.CheckID("a"),
		"id of 255":   store.CheckID(long[1:]),
		"odd id":      store.CheckID(`!"*%/..:~`),
		"nobody":      store.CheckOwner(""),
		"owner":       store.CheckOwner("Zoë \uFFFD 🙂"),
		"shortest":    store.CheckTTL(1),
		"no limit":    store.CheckSize(make([]byte, 10), 0),
		"at limit":    store.CheckSize(make([]byte, 10), 10),
		"update":      store.CheckUpdate(ctx, "a", ok, 1, 1, 1),
		"query all":   store.CheckQuery(ctx, store.Query{}),
		"known param": store.CheckParams(url.Values{"a": {"1"}}, "a", "b"),
	} {
		if err != nil {
			t.Errorf("%s: got %v, want no error", name, err)
		}
	}
	if err := store.CheckCreate(ctx, "a", store.Record{Data: make([]byte, 11)}, 1, 10); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("11 bytes of 10: got %v, want ErrTooLarge", err)
	}
}

func TestChecksNameNothing(t *testing.T) {
	secret := "s3cret"
	for _, err := range []error{
		store.CheckID(secret + "\n"),
		store.CheckID(strings.Repeat(secret, 50)),
		store.CheckOwner(secret + "\n"),
		store.CheckOwner(secret + "\xff"),
		store.CheckOwner(strings.Repeat(secret, 50)),
		store.CheckSize([]byte(secret), 1),
	} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows its input: %v", err)
		}
	}
}

func TestCheckContextWrapsTheCause(t *testing.T) {
	why := errors.New("the user pressed Stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	if err := store.CheckContext(ctx); err != nil {
		t.Fatalf("before the cancellation: %v", err)
	}
	cancel(why)
	for name, err := range map[string]error{
		"load":   store.CheckLoad(ctx, "a"),
		"create": store.CheckCreate(ctx, "a", store.Record{}, 1, 0),
		"update": store.CheckUpdate(ctx, "a", store.Record{}, 1, 1, 0),
		"touch":  store.CheckTouch(ctx, "a", 1),
		"delete": store.CheckDelete(ctx, "a"),
		"owner":  store.CheckDeleteOwner(ctx, "a"),
		"query":  store.CheckQuery(ctx, store.Query{}),
	} {
		if !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want both the cause and context.Canceled", name, err)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for _, c := range []struct{ ttl, unit, want time.Duration }{
		{1, time.Millisecond, time.Millisecond},
		{999, time.Microsecond, time.Microsecond},
		{time.Second, time.Second, time.Second},
		{time.Second + 1, time.Second, 2 * time.Second},
		{5, 1, 5},
		{5, 0, 5},
		{math.MaxInt64, time.Hour, math.MaxInt64 / time.Hour * time.Hour},
	} {
		if got := store.RoundUp(c.ttl, c.unit); got != c.want {
			t.Errorf("RoundUp(%d, %d) = %d, want %d", c.ttl, c.unit, got, c.want)
		}
	}
}

func TestAsLooksThroughWrappers(t *testing.T) {
	ctx := context.Background()
	a := &able{}
	s := wrapper{wrapper{a}}
	if n, err := store.Count(ctx, s); n != 7 || err != nil {
		t.Errorf("Count through two wrappers: %d, %v", n, err)
	}
	if err := store.Close(s); err != nil || a.closed != 1 {
		t.Errorf("Close through two wrappers: %v, closed %d times", err, a.closed)
	}
	if _, ok := store.As[store.Counter](nil); ok {
		t.Error("no store has no abilities")
	}
}

func TestMissingAbilityIsUnsupported(t *testing.T) {
	ctx := context.Background()
	var s store.Store = bare{}
	_, counted := store.Count(ctx, s)
	_, ended := store.DeleteOwner(ctx, s, "a")
	_, swept := store.Sweep(ctx, s)
	next, stop := iter.Pull2(store.List(ctx, s, store.Query{}))
	defer stop()
	_, listed, yielded := next()
	if !yielded {
		t.Error("List yields nothing, where its error should be")
	}
	for name, err := range map[string]error{
		"count": counted, "delete owner": ended, "sweep": swept, "list": listed,
		"clear": store.Clear(ctx, s), "ping": store.Ping(ctx, s),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want errors.ErrUnsupported", name, err)
		}
	}
	if err := store.Close(s); err != nil {
		t.Errorf("closing what cannot be closed: %v", err)
	}
}

func TestOpen(t *testing.T) {
	ctx := context.Background()
	var got string
	opener := store.Opener{Schemes: []string{"rock"}, Open: func(_ context.Context, url string) (store.Store, error) {
		got = url
		return bare{}, nil
	}}
	if _, err := store.Open(ctx, "ROCK://a:1,b:2/x", opener); err != nil || got != "ROCK://a:1,b:2/x" {
		t.Errorf("got %v, the opener saw %q", err, got)
	}
	for url, want := range map[string]string{
		"memory:":           `import "github.com/sojourn-go/sojourn/memory"`,
		"paper://u:pw@h/db": "openers given: rock:",
		"no scheme":         "begins with a scheme",
		"":                  "begins with a scheme",
		"pw@host:1":         "begins with a scheme",
	} {
		_, err := store.Open(ctx, url, opener)
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want ErrInvalid that says %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: the error shows the password: %v", url, err)
		}
	}
	if err := store.CheckParams(url.Values{"tll": {"1"}}, "ttl"); !errors.Is(err, store.ErrInvalid) ||
		!strings.Contains(err.Error(), "it takes ttl") {
		t.Errorf("misspelt parameter: %v", err)
	}
	if err := store.CheckParams(url.Values{"ttl": {"1", "2"}}, "ttl"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("parameter twice: %v", err)
	}
}

func TestNewRevisionIsNeverTheSame(t *testing.T) {
	seen := map[store.Revision]bool{0: true}
	for range 10_000 {
		r := store.NewRevision()
		if seen[r] {
			t.Fatalf("revision %d came twice, or is 0", r)
		}
		seen[r] = true
	}
}
