package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sojourn-go/sojourn/store"
)

// Opener opens a store by a URL of PostgreSQL, with parameters of its own beside
// those that pgx takes:
//
//	postgres://user:password@host:5432/database?table=sessions
//
// They are named as the fields of [Options]: table, schema, migrate, unlogged,
// durable_touch, timeout, sweep_every (durations like 500ms or 5m) and max_data (in
// bytes). Opening connects to the server and makes the table, or brings it up to
// date, unless migrate=false says that it is there: see [Store.Migrate].
//
// Whatever else stands in the URL is pgx's, which hands what it does not know to the
// server, which refuses it. The store owns its pool, whose size is pool_max_conns.
var Opener = store.Opener{Schemes: []string{"postgres", "postgresql"}, Open: open}

var params = []string{"table", "schema", "migrate", "unlogged", "durable_touch", "timeout", "sweep_every", "max_data"}

func open(ctx context.Context, rawURL string) (store.Store, error) {
	opts, rest, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config, err := pgxpool.ParseConfig(rest)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", parseError(rest, err))
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	migrate := opts.Migrate
	opts.Migrate = false // with ctx instead
	s, err := New(pool, opts)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.owned = true
	if migrate {
		err = s.Migrate(ctx)
	}
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		_ = s.Close()
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42704" {
			err = fmt.Errorf("%w: a parameter of the URL is known neither to this package (%s) nor to pgx nor to the server: %w",
				store.ErrInvalid, strings.Join(params, ", "), err)
		}
		return nil, err
	}
	return s, nil
}

// parse takes our parameters out of the URL. The rest is left as it was written:
// not every URL that pgx takes is one to net/url.
func parse(rawURL string) (*Options, string, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	head, query := rest, ""
	from := 0
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		from = 2
		if at := strings.IndexAny(after, "@/"); at >= 0 && after[at] == '@' {
			from += at // a password may hold a question mark
		}
	}
	if i := strings.IndexByte(rest[from:], '?'); i >= 0 {
		head, query = rest[:from+i], rest[from+i+1:]
	}
	ours := url.Values{}
	var theirs []string
	for _, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !slices.Contains(params, name) {
			theirs = append(theirs, pair)
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, "", fmt.Errorf("%w: the parameter %s of the URL cannot be parsed", store.ErrInvalid, name)
		}
		ours.Add(name, value)
	}
	if err := store.CheckParams(ours, params...); err != nil {
		return nil, "", err
	}
	opts := &Options{Table: ours.Get("table"), Schema: ours.Get("schema"), Migrate: true}
	for _, p := range params[2:] {
		if !ours.Has(p) {
			continue
		}
		if err := opts.set(p, ours.Get(p)); err != nil {
			return nil, "", fmt.Errorf("%w: the parameter %s of the URL %w", store.ErrInvalid, p, err)
		}
	}
	clean := strings.ToLower(scheme) + ":" + head
	if q := strings.Join(theirs, "&"); q != "" {
		clean += "?" + q
	}
	return opts, clean, nil
}

// set sets the option that a parameter names.
func (o *Options) set(name, value string) (err error) {
	switch name {
	case "migrate":
		o.Migrate, err = strconv.ParseBool(value)
	case "unlogged":
		o.Unlogged, err = strconv.ParseBool(value)
	case "durable_touch":
		o.DurableTouch, err = strconv.ParseBool(value)
	case "timeout":
		o.Timeout, err = time.ParseDuration(value)
	case "sweep_every":
		o.SweepEvery, err = time.ParseDuration(value)
	case "max_data":
		o.MaxData, err = strconv.Atoi(value)
	}
	if err == nil {
		return nil
	}
	switch name {
	case "timeout", "sweep_every":
		return errors.New("wants a duration, like 500ms or 5m")
	case "max_data":
		return errors.New("wants a whole number")
	default:
		return errors.New("wants true or false")
	}
}

// parseError says what is wrong with the URL, as far as that gives away no password:
// pgx finds those that stand where they should, and nobody can find the others.
func parseError(url string, err error) error {
	const form = "it reads postgres://user:password@host:5432/database?sslmode=…"
	if strings.Contains(url, "@") || strings.Contains(strings.ToLower(url), "pass") || strings.Contains(url, "%") {
		return fmt.Errorf("%w: pgx cannot parse the URL; %s", store.ErrInvalid, form)
	}
	return fmt.Errorf("%w: pgx cannot parse the URL; %s: %w", store.ErrInvalid, form, err)
}
