package mongo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/sojourn-go/sojourn/store"
)

// Opener opens a store by a connection string of MongoDB, which names the database, with
// parameters of its own beside those that the driver takes:
//
//	mongodb://user:password@host:27017/app?collection=sessions
//
// They are named as the fields of [Options]: timeout, sweep_every (durations like 500ms or
// 5m) and max_data (in bytes); collection is "sessions" without it. Opening connects to the
// server and makes the indexes, unless migrate=false says that they are there: see
// [Store.Migrate].
//
// What neither this package nor the driver knows is an error, and so is what the driver
// would be told for nothing: a readPreference, readConcernLevel, w or journal other than
// the store's own. The store owns its client.
var Opener = store.Opener{Schemes: []string{"mongodb", "mongodb+srv"}, Open: open}

var params = []string{"collection", "migrate", "timeout", "sweep_every", "max_data"}

func open(ctx context.Context, rawURL string) (store.Store, error) {
	t, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("mongo: %w", err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(t.url))
	if err != nil {
		if dns, ok := errors.AsType[*net.DNSError](err); ok { // of mongodb+srv
			return nil, fmt.Errorf("mongo: the hosts of the URL could not be looked up: %w", dns)
		}
		if file, ok := errors.AsType[*fs.PathError](err); ok { // of TLS
			return nil, fmt.Errorf("mongo: a file that the URL names: %w", file)
		}
		return nil, fmt.Errorf("mongo: %w", errURL)
	}
	s, err := New(client.Database(t.database).Collection(t.collection), &t.opts)
	if err != nil {
		return nil, errors.Join(err, client.Disconnect(ctx))
	}
	s.owned = true
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
	url                  string // for the driver
	database, collection string
	migrate              bool
	opts                 Options
}

// errURL does not say what the driver found wrong: it quotes what may be a password.
var errURL = fmt.Errorf("%w: the driver cannot parse the URL; it reads mongodb://user:password@host:27017/database, with @ : / ? # %% in a password as %%40 and so on", store.ErrInvalid)

// parse takes our parameters out of the URL, and leaves the rest as it was written: not
// every URL that the driver takes is one to net/url.
func parse(rawURL string) (*target, error) {
	head, query, _ := strings.Cut(rawURL, "?")
	ours := url.Values{}
	var theirs []string
	for _, pair := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if !slices.Contains(params, name) {
			theirs = append(theirs, pair)
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("%w: the parameter %s of the URL cannot be parsed", store.ErrInvalid, name)
		}
		ours.Add(name, value)
	}
	if err := store.CheckParams(ours, params...); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(head, ":")
	t := &target{url: strings.ToLower(scheme) + ":" + rest, collection: "sessions", migrate: true}
	if q := strings.Join(theirs, "&"); q != "" {
		t.url += "?" + q
	}
	cs, err := connstring.Parse(withoutSRV(t.url))
	if err != nil {
		return nil, errURL
	}
	if err := t.check(cs); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	for _, p := range params {
		if !ours.Has(p) {
			continue
		}
		if err := t.set(p, ours.Get(p)); err != nil {
			return nil, fmt.Errorf("%w: the parameter %s of the URL %w", store.ErrInvalid, p, err)
		}
	}
	return t, nil
}

// withoutSRV is the URL as it would be if its scheme did not have the driver ask the DNS,
// to look at what it says itself.
func withoutSRV(rawURL string) string {
	rest, srv := strings.CutPrefix(rawURL, "mongodb+srv:")
	if !srv {
		return rawURL
	}
	head, query, _ := strings.Cut(rest, "?")
	options := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		return strings.HasPrefix(strings.ToLower(pair), "srv")
	})
	return "mongodb:" + head + "?" + strings.Join(options, "&")
}

// check refuses what the driver would ignore, or the store would.
func (t *target) check(cs *connstring.ConnString) error {
	for name := range cs.UnknownOptions {
		if strings.Contains(name, "@") { // what stands behind a ? in a password that is not encoded
			return errors.New("an unknown parameter in the URL, or a ? in its password that should read %3F")
		}
		return fmt.Errorf("the parameter %q of the URL is known neither to this package (%s) nor to the driver", name, strings.Join(params, ", "))
	}
	if t.database = cs.Database; t.database == "" {
		return errors.New("the URL names no database: it reads mongodb://host:27017/database")
	}
	const leave = "leave it out of the URL"
	switch {
	case cs.ReadPreference != "" && !strings.EqualFold(cs.ReadPreference, "primary"):
		return errors.New("sessions are read from the primary, since a secondary lags behind: a readPreference has no use, " + leave)
	case cs.ReadConcernLevel != "" && cs.ReadConcernLevel != "local":
		return errors.New("sessions are read from the primary with the level local: a readConcernLevel has no use, " + leave)
	case cs.WNumberSet || cs.WString != "" && cs.WString != "majority", cs.JSet && !cs.J:
		return errors.New("a session is written to a majority of the replica set, and to its disks: another w or journal has no use, " + leave)
	}
	return nil
}

// set sets what a parameter names.
func (t *target) set(name, value string) (err error) {
	const duration = "wants a duration, like 500ms or 5m"
	wants := ""
	switch name {
	case "collection":
		if t.collection = value; value == "" {
			return errors.New("names no collection")
		}
	case "migrate":
		wants = "wants true or false"
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
