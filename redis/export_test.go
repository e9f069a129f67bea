package redis

import (
	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/store"
)

// What tests look at.
var (
	Told     = told
	Encode   = encode
	Decode   = decode
	TagOf    = tagOf
	Lifetime = lifetime
	Findings = findings
	Parse    = parse
)

// Judge says "final", "again", "anew" or "lost".
func Judge(err error, unsure bool) string {
	return [...]string{"final", "again", "anew", "lost"}[judge(err, unsure)]
}

// Fatal reports whether New refuses a server for w.
func Fatal(w *Warning, o *Options) bool { return w.fatal(o) }

// Keys are those of a session and of its owner's index.
func Keys(prefix string, slots int, id, owner string) (session, index string) {
	t := tag(tagOf(id, slots))
	return own.session(prefix, t, id), own.index(prefix, t, owner)
}

// SessionID finds the id in a key.
func SessionID(prefix, key string) (string, bool) { return own.id(prefix, key) }

// Pattern is SCAN's.
func Pattern(prefix string) string { return own.pattern(prefix) }

// Entry is what a value and its PTTL make.
func Entry(value []byte, left int64) (store.Entry, error) { return own.entry(value, left) }

// NewClient refuses what the store cannot use.
func NewClient(c redis.UniversalClient) error { _, err := newClient(c, nil); return err }
