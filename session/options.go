package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Options are the settings of a [Manager]. The zero value is the default, and a
// safe one.
type Options struct {
	Cookie Cookie

	// Idle is how long a session lives without being used, by the store's clock.
	// 0 is 24 hours; negative is off, so that only Absolute counts.
	Idle time.Duration

	// Absolute is how long a session lives however much it is used, from when it began
	// or its owner last changed, by the clocks of the servers that run this package. 0
	// is 30 days, the limit that NIST SP 800-63B names for the lowest assurance level;
	// negative is off. Idle and Absolute cannot both be off, and neither is over 400
	// days.
	Absolute time.Duration

	// MaxLife is the longest that [Session.SetLifetime] gives a session, idle or
	// absolute. 0 is the longer of Idle and Absolute; no more than 400 days.
	MaxLife time.Duration

	// MaxSkew is how far the clocks of the servers that run this package may be
	// apart. A session that began further in the future than that is taken to begin
	// now. 0 is one minute; negative is none.
	MaxSkew time.Duration

	// MaxBytes is how many bytes the keys and values of a session may have, as
	// JSON. 0 is 1 MiB; negative is off. Over it a change is [store.ErrTooLarge].
	MaxBytes int

	// MaxKeys is how many values a session may have. 0 is 1,000; negative is off.
	// Over it a change is [store.ErrTooLarge].
	MaxKeys int

	// MaxPerOwner is how many sessions an owner may have at once.
	MaxPerOwner MaxPerOwner

	// EndOnReuse ends a session when somebody comes with an id that it had before a
	// renewal, and whose grace period is over: one of the two has stolen it. Off by
	// default, since a browser that has lost the answer to its login looks the same.
	EndOnReuse bool

	// Timeout is the longest that loading a session, or saving it, may take; then
	// it has failed. 0 is 2 seconds; negative is off, so that only the request's
	// own deadline counts.
	Timeout time.Duration

	// OnError answers a request whose session could not be saved; what the handler
	// writes is dropped. It is also what [Manager.Error] calls. nil answers 503
	// Service Unavailable, which is also the status of an answer that sets none.
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	// Events is told what happens to sessions. It is called by the requests'
	// goroutines, which wait for it, and must not use the session. The context is
	// the request's. nil tells nobody.
	Events func(ctx context.Context, e Event)

	// Now is the clock for Absolute. nil is time.Now.
	Now func() time.Time
}

// MaxPerOwner is how many sessions an owner may have at once. With N of 0 there is
// no limit. It holds for logins at the same moment and in several processes too: they
// queue behind a record in the store, which wants a store that can list
// ([store.Lister]).
type MaxPerOwner struct {
	N int

	// EndOldest ends the owner's oldest sessions for a new one. Without it a login
	// over the limit is [ErrLimit].
	EndOldest bool
}

// Cookie says how the browser keeps the id. The zero value is the default: a
// cookie for this host only, for https only, hidden from scripts, gone when the
// browser is closed, and not sent with requests that another site makes, except
// when a link is followed.
type Cookie struct {
	// Name is the name of the cookie. "" is __Host-Http-session: browsers let
	// neither a subdomain, nor plain http, nor a script set a cookie of that name.
	// With PlainHTTP "" is session, since browsers refuse the prefix there.
	Name string

	Path   string // "" is /
	Domain string // "" is this host and no other; else subdomains get the cookie too

	SameSite    http.SameSite // 0 is http.SameSiteLaxMode
	Partitioned bool          // for pages that are embedded in other sites

	// PlainHTTP lets the cookie travel without encryption, where anybody on the way
	// can take it and the session with it. It is for plain http beyond localhost
	// only: browsers treat http://localhost as safe.
	PlainHTTP bool

	// ScriptAccess lets scripts in the page read the cookie (no HttpOnly), foreign
	// ones that got into the page too.
	ScriptAccess bool
}

const (
	defaultName      = "__Host-Http-session"
	defaultPlainName = "session"

	maxLife = 400 * 24 * time.Hour // browsers keep no cookie longer (RFC 6265bis)
)

func (o *Options) idle() time.Duration     { return or(o.Idle, 24*time.Hour) }
func (o *Options) absolute() time.Duration { return or(o.Absolute, 30*24*time.Hour) }
func (o *Options) timeout() time.Duration  { return or(o.Timeout, 2*time.Second) }
func (o *Options) maxSkew() time.Duration  { return or(o.MaxSkew, time.Minute) }
func (o *Options) maxBytes() int           { return or(o.MaxBytes, 1<<20) }
func (o *Options) maxKeys() int            { return or(o.MaxKeys, 1000) }

func (o *Options) maxLife() time.Duration { return or(o.MaxLife, max(o.idle(), o.absolute())) }

// or is d, the default for 0, and 0 for off.
func or[T int | time.Duration](d, zero T) T {
	switch {
	case d == 0:
		return zero
	case d < 0:
		return 0
	}
	return d
}

func (o *Options) check() error {
	idle, absolute := o.idle(), o.absolute()
	switch {
	case idle == 0 && absolute == 0:
		return errors.New("session: Options.Idle and Options.Absolute are both off; a session must end some time")
	case idle > maxLife:
		return fmt.Errorf("session: Options.Idle is %v; 400 days are the most that a browser keeps a cookie", idle)
	case absolute > maxLife:
		return fmt.Errorf("session: Options.Absolute is %v; 400 days are the most that a browser keeps a cookie", absolute)
	case o.MaxLife < 0 || o.MaxLife > maxLife:
		return fmt.Errorf("session: Options.MaxLife is %v; it is between 0 and 400 days, the most that a browser keeps a cookie", o.MaxLife)
	case o.MaxPerOwner.N < 0:
		return fmt.Errorf("session: Options.MaxPerOwner.N is %d; 0 is no limit", o.MaxPerOwner.N)
	}
	return o.Cookie.check()
}

// fits returns an error that wraps [store.ErrTooLarge] if a session has too much.
func (o *Options) fits(keys, bytes int) error {
	if limit := o.maxKeys(); limit > 0 && keys > limit {
		return fmt.Errorf("session: %w: %d values, Options.MaxKeys is %d", store.ErrTooLarge, keys, limit)
	}
	if limit := o.maxBytes(); limit > 0 && bytes > limit {
		return fmt.Errorf("session: %w: %d bytes, Options.MaxBytes is %d", store.ErrTooLarge, bytes, limit)
	}
	return nil
}

// cookie is the cookie with its defaults, without a value.
func (c *Cookie) cookie() *http.Cookie {
	k := &http.Cookie{
		Name: c.Name, Path: c.Path, Domain: c.Domain, SameSite: c.SameSite,
		Secure: !c.PlainHTTP, HttpOnly: !c.ScriptAccess, Partitioned: c.Partitioned,
	}
	if k.Name == "" {
		k.Name = defaultName
		if c.PlainHTTP {
			k.Name = defaultPlainName
		}
	}
	if k.Path == "" {
		k.Path = "/"
	}
	if k.SameSite == 0 || k.SameSite == http.SameSiteDefaultMode {
		k.SameSite = http.SameSiteLaxMode
	}
	return k
}

// check refuses what browsers refuse in silence (SEC-10). They compare prefixes
// without regard to case.
func (c *Cookie) check() error {
	k := c.cookie()
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("session: Options.Cookie: "+format, args...)
	}
	name := strings.ToLower(k.Name)
	prefix := ""
	for _, p := range []string{"__host-http-", "__host-", "__http-", "__secure-"} {
		if strings.HasPrefix(name, p) {
			prefix = k.Name[:len(p)]
			break
		}
	}
	host := strings.HasPrefix(name, "__host-")
	script := strings.HasPrefix(name, "__host-http-") || strings.HasPrefix(name, "__http-")
	switch {
	case prefix != "" && !k.Secure:
		return refuse("a name with the prefix %s excludes PlainHTTP; set another Name, like %q", prefix, defaultPlainName)
	case host && k.Domain != "":
		return refuse("a name with the prefix %s excludes a Domain; set another Name, like %q", prefix, "__Secure-session")
	case host && k.Path != "/":
		return refuse("a name with the prefix %s excludes a Path other than /; set another Name, like %q", prefix, "__Secure-session")
	case script && !k.HttpOnly:
		return refuse("a name with the prefix %s excludes ScriptAccess; set another Name, like %q", prefix, "__Host-session")
	case k.SameSite == http.SameSiteNoneMode && !k.Secure:
		return refuse("SameSite=None excludes PlainHTTP: browsers drop such a cookie")
	case k.SameSite < 0 || k.SameSite > http.SameSiteNoneMode:
		return refuse("SameSite is none of the constants of net/http")
	case k.Partitioned && !k.Secure:
		return refuse("Partitioned excludes PlainHTTP: browsers drop such a cookie")
	case !strings.HasPrefix(k.Path, "/"):
		return refuse("Path begins with a slash")
	}
	if err := k.Valid(); err != nil {
		return refuse("%w", err)
	}
	return nil
}
