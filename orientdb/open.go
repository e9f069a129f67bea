package orientdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Opener opens a store by a URL of a database, which OrientDB itself has none for:
//
//	orientdb://user:password@host:2480/app?class=sessions
//
// The port is that of the HTTP interface, 2480 without it; orientdbs is the same over TLS,
// whose certificate the system's authorities must have signed. The parameters are named as
// the fields of [Options]: class, create_database, timeout, sweep_every (durations like
// 500ms or 5m) and max_data (in bytes). Opening connects to the server and makes the class,
// unless migrate=false says that it is there: see [Store.Migrate].
//
// The store owns its connections.
var Opener = store.Opener{Schemes: []string{"orientdb", "orientdbs"}, Open: open}

var parameters = []string{"class", "create_database", "migrate", "timeout", "sweep_every", "max_data"}

const port = "2480"

func open(ctx context.Context, rawURL string) (store.Store, error) {
	t, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("orientdb: %w", err)
	}
	s, err := New(&t.db, &t.opts)
	if err != nil {
		return nil, err
	}
	if t.migrate {
		err = s.Migrate(ctx)
	}
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// target is what a URL names.
type target struct {
	db      Database
	opts    Options
	migrate bool
}

// errURL does not say what is wrong: it would quote what may be a password.
var errURL = fmt.Errorf("%w: the URL reads orientdb://user:password@host:2480/database, with @ : / ? # %% in a password as %%40 and so on", store.ErrInvalid)

func parse(rawURL string) (*target, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.User == nil || u.Fragment != "" || strings.Contains(u.EscapedPath()+u.RawQuery, "@") {
		return nil, errURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the parameters of the URL cannot be parsed", store.ErrInvalid)
	}
	if err := store.CheckParams(query, parameters...); err != nil {
		return nil, err
	}
	t := &target{migrate: true}
	t.db.URL = "http://" + u.Host
	if strings.EqualFold(u.Scheme, "orientdbs") {
		t.db.URL = "https://" + u.Host
	}
	if u.Port() == "" {
		t.db.URL = strings.TrimSuffix(t.db.URL, ":") + ":" + port
	}
	t.db.User = u.User.Username()
	t.db.Password, _ = u.User.Password()
	if t.db.Name = strings.Trim(u.Path, "/"); t.db.Name == "" {
		return nil, fmt.Errorf("%w: the URL names no database: it reads orientdb://user:password@host:2480/database", store.ErrInvalid)
	}
	for _, p := range parameters {
		if !query.Has(p) {
			continue
		}
		if err := t.set(p, query.Get(p)); err != nil {
			return nil, fmt.Errorf("%w: the parameter %s of the URL %w", store.ErrInvalid, p, err)
		}
	}
	return t, nil
}

// set sets what a parameter names.
func (t *target) set(name, value string) (err error) {
	const (
		boolean  = "wants true or false"
		duration = "wants a duration, like 500ms or 5m"
	)
	wants := ""
	switch name {
	case "class":
		if t.opts.Class = value; value == "" {
			return errors.New("names no class")
		}
	case "create_database":
		wants = boolean
		t.opts.CreateDatabase, err = strconv.ParseBool(value)
	case "migrate":
		wants = boolean
		t.migrate, err = strconv.ParseBool(value)
	case "max_data":
		wants = "wants a whole number"
		t.opts.MaxData, err = strconv.Atoi(value)
	case "timeout":
		wants = duration
		t.opts.Timeout, err = time.ParseDuration(value)
	case "sweep_every":
		wants = duration
		t.opts.SweepEvery, err = time.ParseDuration(value)
	}
	if err != nil {
		return errors.New(wants)
	}
	return nil
}
