package postgrestest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/proxy"
	"github.com/sojourn-go/sojourn/postgres"
	"github.com/sojourn-go/sojourn/store"
)

// Options are those of a store with a table of its own, and with no sweeper.
func Options() *postgres.Options {
	return &postgres.Options{Table: "sojourn_test_" + strings.ToLower(rand.Text()[:12]), SweepEvery: -1}
}

// Subject is a store in a table of its own, which it makes and drops again, with all
// that the suite can do to it but kill the server (Crash). The URL is one that pgx
// takes, of a user that may create tables. The options may be nil; they are not kept,
// and a Table in them is used as it is, so that each call wants another one.
//
// Nothing but the table is touched, so that the server may be in use. Where the server
// insists on TLS, the faults that need to look into the connection are skipped.
func Subject(tb testing.TB, url string, opts *postgres.Options) conformance.Subject {
	tb.Helper()
	sub := &subject{tb: tb, url: url, direct: Pool(tb, url, nil)}
	if opts != nil {
		sub.opts = *opts
	}
	if sub.opts.Table == "" {
		sub.opts.Table = Options().Table
	}
	sub.opts.SweepEvery = -1
	sub.opts.Migrate = false
	if sub.opts.MaxData == 0 {
		sub.opts.MaxData = 1 << 20
	}
	config := sub.direct.Config().ConnConfig
	p, err := proxy.New(net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	sub.proxy = p
	sub.pool = Pool(tb, url, p.DialContext)
	if sub.pool.Config().ConnConfig.TLSConfig == nil {
		p.SetProtocol(proxy.Postgres)
	}
	s := sub.open(sub.direct)
	tb.Cleanup(func() {
		for _, name := range []string{sub.table(""), sub.table(away)} {
			if _, err := sub.direct.Exec(context.Background(), `DROP TABLE IF EXISTS `+name); err != nil {
				tb.Errorf("a table was not dropped: %v", err)
			}
		}
	})
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	_ = s.Close()
	sub.store = sub.open(sub.pool)
	return sub.hooks()
}

// subject is what the hooks of a conformance.Subject work on.
type subject struct {
	tb     testing.TB
	url    string
	opts   postgres.Options
	direct *pgxpool.Pool // not through the proxy
	proxy  *proxy.Proxy
	pool   *pgxpool.Pool // through the proxy
	store  *postgres.Store
}

// away is added to the name of a table that is hidden.
const away = "_away"

func (sub *subject) table(ending string) string {
	name := `"` + sub.opts.Table + ending + `"`
	if sub.opts.Schema != "" {
		name = `"` + sub.opts.Schema + `".` + name
	}
	return name
}

func (sub *subject) open(pool *pgxpool.Pool) *postgres.Store {
	sub.tb.Helper()
	s, err := postgres.New(pool, &sub.opts)
	if err != nil {
		sub.tb.Fatal(err)
	}
	sub.tb.Cleanup(func() { _ = s.Close() })
	return s
}

// hide takes the table away, so that the server answers with errors.
func (sub *subject) hide(ctx context.Context) error {
	_, err := sub.direct.Exec(ctx, `ALTER TABLE `+sub.table("")+` RENAME TO "`+sub.opts.Table+away+`"`)
	return err
}

func (sub *subject) show(ctx context.Context) error {
	_, err := sub.direct.Exec(ctx, `ALTER TABLE `+sub.table(away)+` RENAME TO "`+sub.opts.Table+`"`)
	return err
}

func (sub *subject) hooks() conformance.Subject {
	peer := func(context.Context) (store.Store, error) { return postgres.New(sub.direct, &sub.opts) }
	return conformance.Subject{
		Store: sub.store,
		Age:   sub.age,
		Peer:  peer,
		// The store never asks for the time of its own machine.
		Skewed:     func(ctx context.Context, _ time.Duration) (store.Store, error) { return peer(ctx) },
		Reopen:     sub.reopen,
		Break:      sub.fail,
		Corrupt:    sub.corrupt,
		Sweeping:   sub.sweeping,
		Raw:        sub.raw,
		Rows:       sub.rows,
		Client:     sub.client,
		MaxData:    sub.opts.MaxData,
		Precision:  time.Microsecond,
		Durability: "power cut",
		Server:     sub.server(),
	}
}

func (sub *subject) server() string {
	version := ""
	if err := sub.direct.QueryRow(sub.tb.Context(), `SELECT 'PostgreSQL ' || current_setting('server_version')`).Scan(&version); err != nil {
		sub.tb.Fatal(err)
	}
	return version
}

func (sub *subject) age(ctx context.Context, d time.Duration) error {
	_, err := sub.direct.Exec(ctx, `UPDATE `+sub.table("")+` SET deadline = deadline - $1::interval, due = due - $1::interval`, d)
	return err
}

func (sub *subject) reopen(context.Context) (store.Store, error) {
	if err := sub.store.Close(); err != nil {
		return nil, err
	}
	sub.pool.Close()
	return postgres.New(Pool(sub.tb, sub.url, sub.proxy.DialContext), &sub.opts)
}

func (sub *subject) fail(ctx context.Context, f conformance.Fault) (undo func() int, err error) {
	if f.Kind != conformance.Reject {
		return sub.proxy.Break(ctx, f)
	}
	if sub.pool.Config().ConnConfig.TLSConfig != nil {
		return nil, fmt.Errorf("nobody can count errors in TLS: %w", errors.ErrUnsupported)
	}
	counted := sub.proxy.Fail(proxy.Fault{Kind: proxy.Errors})
	if err := sub.hide(ctx); err != nil {
		counted()
		return nil, err
	}
	return func() int { _ = sub.show(context.Background()); return counted() }, nil
}

// corrupt stores what the package never writes: the server keeps all else as it is.
func (sub *subject) corrupt(ctx context.Context, id string) error {
	_, err := sub.direct.Exec(ctx, `UPDATE `+sub.table("")+` SET revision = 0 WHERE id = $1`, id)
	return err
}

// sweeping hides the table until its sweeper has failed once.
func (sub *subject) sweeping(ctx context.Context, onError func(error)) (store.Store, error) {
	// What has expired may be due in some hours only.
	if _, err := sub.direct.Exec(ctx, `UPDATE `+sub.table("")+` SET due = deadline WHERE deadline <= clock_timestamp()`); err != nil {
		return nil, err
	}
	if err := sub.hide(ctx); err != nil {
		return nil, err
	}
	var once sync.Once
	shown := make(chan struct{})
	opts := sub.opts
	opts.SweepEvery = 20 * time.Millisecond
	opts.OnError = func(err error) {
		once.Do(func() { _ = sub.show(context.Background()); close(shown) })
		onError(err)
	}
	s, err := postgres.New(sub.direct, &opts)
	if err != nil {
		return nil, err
	}
	// A check that does not look for the error wants a store that works.
	select {
	case <-shown:
	case <-ctx.Done():
	}
	return s, ctx.Err()
}

func (sub *subject) raw(ctx context.Context) ([]byte, error) {
	c, err := sub.direct.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	var out bytes.Buffer
	_, err = c.Conn().PgConn().CopyTo(ctx, &out, `COPY (SELECT id, owner, encode(data, 'escape') FROM `+sub.table("")+`) TO STDOUT`)
	return out.Bytes(), err
}

func (sub *subject) rows(ctx context.Context) (n int, err error) {
	err = sub.direct.QueryRow(ctx, `SELECT count(*) FROM `+sub.table("")).Scan(&n)
	return n, err
}

func (sub *subject) client(ctx context.Context) error {
	err := sub.pool.Ping(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
