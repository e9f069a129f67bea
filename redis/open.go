package redis

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/sojourn-go/sojourn/store"
)

// Opener opens a store by a URL: of a single server, of Sentinel, or of a cluster; with
// TLS where it begins with rediss.
//
//	redis://user:password@host:6379/0?prefix=shop
//	redis+sentinel://user:password@host:26379/0?master_name=main&addr=host2:26379
//	redis+cluster://user:password@host:6379?addr=host2:6379
//
// Its own parameters are named as the fields of [Options]: prefix, slots, replicas,
// evictable, timeout (a duration like 500ms) and max_data (in bytes). All others are
// go-redis's, which refuses what it does not know: pool_size, read_timeout,
// skip_verify and so on, see redis.ParseURL, ParseFailoverURL and ParseClusterURL.
//
// Opening asks the servers as [New] does, and tells nobody of a [Warning] that does not keep
// it from opening: [Store.Check] does, of the *Store that store.As finds. The store owns its
// client.
var Opener = store.Opener{
	Schemes: []string{"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"},
	Open:    open,
}

var params = []string{"prefix", "slots", "replicas", "evictable", "timeout", "max_data"}

func open(ctx context.Context, rawURL string) (store.Store, error) {
	opts, theirs, kind, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	client, err := dial(theirs, kind)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	s, err := newStore(ctx, client, opts)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	s.closes = client.Close
	return s, nil
}

// dial makes the client. A deadline is minded, what cannot be reached is an error at once
// (this package repeats by itself what is worth it), servers are not asked for notices that
// only a vendor's has, and there is one pool: of two, which go-redis has by default, one may
// still say that the server is down while the other has found it again.
func dial(rawURL, kind string) (redis.UniversalClient, error) {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch kind {
	case "sentinel":
		o, err := redis.ParseFailoverURL(rawURL)
		if err != nil {
			return nil, parseError(err)
		}
		if o.MasterName == "" {
			return nil, invalid("the URL lacks master_name, the name that the Sentinels know the master by")
		}
		o.ContextTimeoutEnabled = true
		o.DialerRetries, o.PipelinePoolSize = cmp.Or(o.DialerRetries, 1), cmp.Or(o.PipelinePoolSize, -1)
		return redis.NewFailoverClient(o), nil
	case "cluster":
		o, err := redis.ParseClusterURL(rawURL)
		if err != nil {
			return nil, parseError(err)
		}
		o.ContextTimeoutEnabled, o.MaintNotificationsConfig = true, quiet
		o.DialerRetries, o.PipelinePoolSize = cmp.Or(o.DialerRetries, 1), cmp.Or(o.PipelinePoolSize, -1)
		return redis.NewClusterClient(o), nil
	default:
		o, err := redis.ParseURL(rawURL)
		if err != nil {
			return nil, parseError(err)
		}
		o.ContextTimeoutEnabled, o.MaintNotificationsConfig = true, quiet
		o.DialerRetries, o.PipelinePoolSize = cmp.Or(o.DialerRetries, 1), cmp.Or(o.PipelinePoolSize, -1)
		return redis.NewClient(o), nil
	}
}

// parse takes our parameters out of the URL, and says what kind of client it is for.
func parse(rawURL string) (opts *Options, theirs, kind string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Fragment != "" {
		return nil, "", "", invalid("the URL cannot be parsed; it reads redis://user:password@host:6379/0, with what is special in a password percent-encoded")
	}
	u.Scheme, kind, _ = strings.Cut(strings.ToLower(u.Scheme), "+")
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", "", invalid("the parameters of the URL cannot be parsed")
	}
	for name, values := range query {
		if len(values) > 1 && name != "addr" {
			return nil, "", "", invalid("parameter %q stands more than once in the URL", name)
		}
	}
	opts = &Options{}
	for _, p := range params {
		if !query.Has(p) {
			continue
		}
		if err := opts.set(p, query.Get(p)); err != nil {
			return nil, "", "", invalid("the parameter %s of the URL %w", p, err)
		}
		query.Del(p)
	}
	u.RawQuery = query.Encode()
	return opts, u.String(), kind, nil
}

// set sets the option that a parameter names.
func (o *Options) set(name, value string) (err error) {
	wants := "a whole number"
	switch name {
	case "prefix":
		o.Prefix = value
		if value == "" {
			return fmt.Errorf("is empty")
		}
	case "slots":
		o.Slots, err = strconv.Atoi(value)
	case "replicas":
		o.Replicas, err = strconv.Atoi(value)
	case "max_data":
		o.MaxData, err = strconv.Atoi(value)
	case "evictable":
		wants = "true or false"
		o.Evictable, err = strconv.ParseBool(value)
	case "timeout":
		wants = "a duration like 500ms or 2s"
		o.Timeout, err = time.ParseDuration(value)
	}
	if err != nil {
		return fmt.Errorf("wants %s", wants)
	}
	return nil
}

// parseError says what go-redis found wrong with the URL, as far as that gives away no
// password.
func parseError(err error) error {
	text := err.Error()
	if strings.Contains(text, "@") { // a password with a / or a ? in it, which stands where it should not
		text = ""
	}
	if name, found := strings.CutPrefix(text, "redis: unexpected option: "); found {
		return invalid("unknown parameter %q in the URL; this package takes %s, and go-redis the options of its client, like pool_size", name, strings.Join(params, ", "))
	}
	if what, found := strings.CutPrefix(text, "redis: invalid "); found {
		return invalid("%s", what)
	}
	return invalid("go-redis cannot parse the URL; it reads redis://user:password@host:6379/0, with what is special in a password percent-encoded")
}
