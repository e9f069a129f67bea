package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// nowhere is a pool that connects to nothing, as long as nobody asks it to.
func nowhere(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestNamesAreChecked(t *testing.T) {
	pool := nowhere(t)
	for _, bad := range []string{
		`s"; DROP TABLE users; --`, `a b`, `a.b`, `a"b`, `a'b`, "a\x00b", `1a`, `-`, `é`, `a;`, "a\n", `$1`, `%s`, `{}`, "a\u202eb", strings.Repeat("a", 64),
	} {
		if _, err := postgres.New(pool, &postgres.Options{Table: bad}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("table %q: got %v, want ErrInvalid", bad, err)
		}
		if _, err := postgres.New(pool, &postgres.Options{Schema: bad}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("schema %q: got %v, want ErrInvalid", bad, err)
		}
		if _, err := (&postgres.Options{Table: bad}).DDL(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("DDL of table %q: got %v, want ErrInvalid", bad, err)
		}
	}
	// 57 bytes, so that the name of no index is cut off, and two tables do not
	// come to share one.
	if _, err := postgres.New(pool, &postgres.Options{Table: strings.Repeat("a", 58)}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a table's name of 58 bytes: got %v, want ErrInvalid", err)
	}
	for _, good := range []string{"", "a", "_", "Select", "user", strings.Repeat("a", 57)} {
		s, err := postgres.New(pool, &postgres.Options{Table: good, Schema: good})
		if err != nil {
			t.Errorf("%q: %v", good, err)
			continue
		}
		_ = s.Close()
	}
}

func TestStatementsNameTheTable(t *testing.T) {
	sqls, err := postgres.Statements(nowhere(t), &postgres.Options{Schema: "Web", Table: "Select", SweepEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	for name, sql := range sqls {
		if !strings.Contains(sql, `"Web"."Select"`) || strings.Contains(sql, "sessions") {
			t.Errorf("%s: %s", name, sql)
		}
		// Frozen through lock waits, which only the sweeper does not mind.
		if strings.Contains(sql, "now()") != (name == "due") {
			t.Errorf("%s asks for now(): %s", name, sql)
		}
	}
	for _, name := range []string{"create", "update"} {
		if n := strings.Count(sqls[name], "$3"); n != 1 {
			t.Errorf("%s sends the data %d times", name, n)
		}
	}
	if strings.Contains(sqls["keep"], "synchronous_commit") {
		t.Errorf("a durable touch does not wait: %s", sqls["keep"])
	}
}

func TestWhatIsSent(t *testing.T) {
	v := store.Revision(math.MaxUint64 - 6) // over what a signed integer holds
	args := postgres.UpdateArgs("a", store.Record{}, 999, v, 1<<63)
	if b, ok := args[2].([]byte); !ok || b == nil {
		t.Errorf("no data is sent as %#v, which would be NULL", args[2])
	}
	if args[3] != int64(-7) || args[6] != int64(math.MinInt64) {
		t.Errorf("revisions are sent as %v and %v", args[3], args[6])
	}
	for ttl, want := range map[time.Duration]time.Duration{
		1: time.Microsecond, 999: time.Microsecond, 1001: 2 * time.Microsecond, time.Second: time.Second,
		math.MaxInt64: math.MaxInt64 / time.Microsecond * time.Microsecond,
	} {
		if got := postgres.CreateArgs("a", store.Record{}, ttl, v)[4]; got != want {
			t.Errorf("a ttl of %d ns is sent as %d", ttl, got)
		}
	}
	for ttl, want := range map[time.Duration]time.Duration{
		1: 4 * time.Hour, 2 * time.Hour: 4 * time.Hour, 2*time.Hour + 1: 8 * time.Hour, 24 * time.Hour: 64 * time.Hour, math.MaxInt64: 8192 * time.Hour,
	} {
		if got := postgres.UpdateArgs("a", store.Record{}, ttl, v, 1)[5]; got != want {
			t.Errorf("due may be %v after a life of %v, want %v", got, ttl, want)
		}
		// What Create gives must be what a touch leaves alone.
		if at := postgres.CreateArgs("a", store.Record{}, ttl, v)[5].(time.Duration); at < time.Hour || at+time.Hour > want {
			t.Errorf("due is at first %v after a life of %v, and may be %v", at, ttl, want)
		}
	}
}

func TestWhatIsRead(t *testing.T) {
	for _, c := range []struct {
		revision, left int64
		ttl            time.Duration
		err            error
	}{
		{-7, 1, time.Microsecond, nil},
		{1, 315_532_800_000_000, 87648 * time.Hour, nil},
		{1, math.MaxInt64 / 1000, math.MaxInt64 / 1000 * 1000, nil},
		{1, 251_000_000_000_000_000, math.MaxInt64 / 1000 * 1000, nil}, // the year 9999
		{0, 1, 0, store.ErrCorrupt},
		{1, math.MinInt64, 0, store.ErrCorrupt},
		{1, 0, 0, store.ErrNotFound}, // it ended between the condition and the column
		{1, -5, 0, store.ErrNotFound},
	} {
		e, err := postgres.Checked(c.revision, c.left)
		if err != c.err || e.TTL != c.ttl || err == nil && int64(e.Revision) != c.revision {
			t.Errorf("%+v: got %v, %v, %v", c, e.Revision, e.TTL, err)
		}
	}
}

// Whatever an option is, adding to it or multiplying it does not overflow.
func TestLargeOptions(t *testing.T) {
	s, err := postgres.New(nowhere(t), &postgres.Options{Timeout: math.MaxInt64, SweepEvery: math.MaxInt64, MaxData: math.MaxInt})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Count(t.Context())
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that there is no server", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// More than a row can have is not sent.
	s, err = postgres.New(nowhere(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(t.Context(), "a", store.Record{Data: make([]byte, 1<<30)}, time.Hour); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a GiB: got %v, want ErrTooLarge", err)
	}
}

func TestErrorsTellNothing(t *testing.T) {
	const secret = "Hq7ZkTmX2vRw"
	for code, kind := range map[string]error{
		"23505": nil, "22021": nil, "53100": store.ErrFull, "53200": store.ErrFull, "25006": nil, "40P01": nil, "42P01": nil,
		"54000": store.ErrTooLarge, "XX001": store.ErrCorrupt, "99999": nil, "": nil,
	} {
		raw := &pgconn.PgError{
			Severity: "ERROR", Code: code, Message: "value " + secret, Detail: "Key (id)=(" + secret + ") already exists.",
			Hint: secret, Where: secret, InternalQuery: secret, ColumnName: secret, DataTypeName: secret,
		}
		err := fmt.Errorf("postgres: create: %w", postgres.Told(fmt.Errorf("in pgx: %w", raw)))
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v %#v %q", e, e, e, e); strings.Contains(text, secret) {
				t.Errorf("%s: %s", code, text)
			}
		}
		pg, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pg.Code != code || strings.Contains(fmt.Sprintf("%#v", *pg), secret) {
			t.Errorf("%s: the server's error is %#v", code, pg)
		}
		if kind != nil && !errors.Is(err, kind) {
			t.Errorf("%s: %v is not %v", code, err, kind)
		}
	}
	if err := postgres.Told(fmt.Errorf("unable to encode %q", secret)); strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret) {
		t.Errorf("the driver's error tells: %v", err)
	}
}

func TestJudge(t *testing.T) {
	pg := func(code, severity string) error { return &pgconn.PgError{Code: code, Severity: severity} }
	for _, c := range []struct {
		err    error
		broken bool
		want   string
	}{
		{io.ErrUnexpectedEOF, true, "lost"},
		{context.DeadlineExceeded, true, "lost"},
		{errors.New("cannot scan"), false, "final"},
		{pg("57P01", "FATAL"), true, "lost"}, // it may have come after the commit
		{pg("08P01", "ERROR"), true, "lost"},
		{pg("08P01", "ERROR"), false, "final"}, // said of one statement
		{pg("57P05", "FATAL"), true, "again"},
		{pg("40003", "ERROR"), false, "lost"},
		{pg("40001", "ERROR"), false, "again"},
		{pg("40P01", "ERROR"), false, "again"},
		{pg("0A000", "ERROR"), false, "anew"},
		{pg("53100", "ERROR"), false, "final"},
		{pg("42P01", "ERROR"), false, "final"},
		{safe{}, true, "again"},
		{safe{}, false, "final"}, // as a message that is too long
	} {
		if got := postgres.Judge(c.err, c.broken); got != c.want {
			t.Errorf("%v (connection closed: %v) is %s, want %s", c.err, c.broken, got, c.want)
		}
	}
}

// safe is an error of pgx's from before anything was sent.
type safe struct{}

func (safe) Error() string     { return "nothing was sent" }
func (safe) SafeToRetry() bool { return true }

func TestParseURL(t *testing.T) {
	opts, rest, err := postgres.Parse("POSTGRES://u:p%3Fq?r@h1:1,h2:2/db?table=t_1&sslmode=disable&schema=web&migrate=false&timeout=500ms&sweep_every=-1s&max_data=9&unlogged=1&durable_touch=t&application_name=a%26b")
	if err != nil {
		t.Fatal(err)
	}
	want := postgres.Options{
		Table: "t_1", Schema: "web", Timeout: 500 * time.Millisecond, SweepEvery: -time.Second, MaxData: 9, Unlogged: true, DurableTouch: true,
	}
	if fmt.Sprint(*opts) != fmt.Sprint(want) {
		t.Errorf("options\n  got:  %+v\n  want: %+v", *opts, want)
	}
	if rest != "postgres://u:p%3Fq?r@h1:1,h2:2/db?sslmode=disable&application_name=a%26b" {
		t.Errorf("pgx gets %s", rest)
	}
	for _, given := range []string{"postgres://h?sslrootcert=/etc/ca.pem&table=web", "postgres://?host=/tmp&table=web"} {
		if opts, rest, err := postgres.Parse(given); err != nil || opts.Table != "web" || strings.Contains(rest, "web") {
			t.Errorf("%s: the table is %q, pgx gets %s, %v", given, opts.Table, rest, err)
		}
	}
	for _, same := range []string{"postgres://h/db", "postgresql://h", "postgres:///db?host=/tmp", "postgres://u@h/db?sslmode=disable"} {
		if _, rest, err := postgres.Parse(same); err != nil || rest != same {
			t.Errorf("%s: pgx gets %s, %v", same, rest, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	const secret = "s3cr3t"
	for _, url := range []string{
		"postgres://u:s3cr3t@h/db?migrate=perhaps",
		"postgres://u:s3cr3t@h/db?timeout=5",
		"postgres://u:s3cr3t@h/db?max_data=1k",
		"postgres://u:s3cr3t@h/db?table=a&table=b",
		"postgres://u:s3cr3t@h/db?table=a%zz",
		"postgres://u:s3cr3t@h/db?table=a%22b",
		"postgres://u:s3cr3t@h:port/db",
		"postgres://u:s3/cr3t@h/db",
		"postgres://u:s3cr3t@h/db?sslmode=perhaps",
		"postgres://h/db?password=s3cr3t&sslmode=perhaps",
		"postgres://h/db?pass%77ord=s3cr3t&sslmode=perhaps",
		"postgres://u:s3cr3t@h/db?pool_max_conns=many",
	} {
		_, err := store.Open(t.Context(), url, postgres.Opener)
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", url, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) || strings.Contains(text, "cr3t") {
			t.Errorf("%s: the error shows the password: %s", url, text)
		}
	}
	_, err := store.Open(t.Context(), "postgres://u:s3cr3t@127.0.0.1:1/db?sslmode=disable", postgres.Opener)
	if err == nil || strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret) {
		t.Errorf("a server that is not there: %v", err)
	}
}

// Without a server every call is an error at once, and closed comes before all.
func TestNoServer(t *testing.T) {
	s, err := postgres.New(nowhere(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := s.Delete(t.Context(), "a"); err == nil || errors.Is(err, store.ErrUnknown) || time.Since(start) > time.Second {
		t.Errorf("got %v after %v, want an error at once that is not ErrUnknown", err, time.Since(start))
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Load(t.Context(), ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := s.Migrate(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Migrate after Close: %v", err)
	}
}
