package store

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Opener makes a store from a URL. Each adapter exports one.
type Opener struct {
	Schemes []string // the schemes it answers to, in lower case, without the colon

	// Open gets the whole URL as it was written: not every store's URL is one
	// that [net/url] parses (several hosts, for example). The store that it
	// returns owns its client, and its Close closes it. Errors name no password.
	Open func(ctx context.Context, url string) (Store, error)
}

// homes are the packages of this project by scheme, to tell a caller which
// import is missing.
var homes = map[string]string{
	"memory":     "github.com/sojourn-go/sojourn/memory",
	"file":       "github.com/sojourn-go/sojourn/file",
	"postgres":   "github.com/sojourn-go/sojourn/postgres",
	"postgresql": "github.com/sojourn-go/sojourn/postgres",

	"mongodb":     "github.com/sojourn-go/sojourn/mongo",
	"mongodb+srv": "github.com/sojourn-go/sojourn/mongo",

	"orientdb":  "github.com/sojourn-go/sojourn/orientdb",
	"orientdbs": "github.com/sojourn-go/sojourn/orientdb",

	"redis":           "github.com/sojourn-go/sojourn/redis",
	"rediss":          "github.com/sojourn-go/sojourn/redis",
	"redis+sentinel":  "github.com/sojourn-go/sojourn/redis",
	"rediss+sentinel": "github.com/sojourn-go/sojourn/redis",
	"redis+cluster":   "github.com/sojourn-go/sojourn/redis",
	"rediss+cluster":  "github.com/sojourn-go/sojourn/redis",
}

// Open makes the store that rawURL names with the opener of its scheme:
//
//	s, err := store.Open(ctx, "memory:", memory.Opener)
//
// Nothing is registered anywhere: a program can open what it imports and hands
// over. The store owns its client, and [Close] closes both. A URL that cannot be
// understood is an error that wraps [ErrInvalid]; no error holds a password.
func Open(ctx context.Context, rawURL string, openers ...Opener) (Store, error) {
	scheme, _, found := strings.Cut(rawURL, ":")
	scheme = strings.ToLower(scheme)
	if !found || !validScheme(scheme) {
		// The text is not repeated: what stands before a colon may be a password.
		return nil, fmt.Errorf("open a store: %w: a store URL begins with a scheme and a colon, like memory: (%s)",
			ErrInvalid, offered(openers))
	}
	for _, o := range openers {
		if slices.Contains(o.Schemes, scheme) {
			s, err := o.Open(ctx, rawURL)
			if err != nil {
				return nil, fmt.Errorf("open a %s store: %w", scheme, err)
			}
			return s, nil
		}
	}
	hint := "import the package that has it and pass its Opener"
	if home, ok := homes[scheme]; ok {
		hint = fmt.Sprintf("import %q and pass its Opener", home)
	}
	return nil, fmt.Errorf("open a store: %w: no opener for %s: was given; %s (%s)", ErrInvalid, scheme, hint, offered(openers))
}

// CheckParams returns an error that wraps [ErrInvalid] if params has a name that
// is not among known, or a name twice: a misspelt option must not be ignored.
func CheckParams(params url.Values, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(known, name) {
			list := "it takes none"
			if len(known) > 0 {
				list = "it takes " + strings.Join(known, ", ")
			}
			if strings.Contains(name, "@") { // what stands behind a ? in a password that is not encoded
				return fmt.Errorf("%w: unknown parameter in the URL, or a ? in its password that should read %%3F; %s", ErrInvalid, list)
			}
			return fmt.Errorf("%w: unknown parameter %q in the URL; %s", ErrInvalid, name, list)
		}
		if len(params[name]) > 1 {
			return fmt.Errorf("%w: parameter %q stands more than once in the URL", ErrInvalid, name)
		}
	}
	return nil
}

// validScheme reports whether s is a scheme as RFC 3986 has it, in lower case.
func validScheme(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return false
		}
	}
	return s != ""
}

func offered(openers []Opener) string {
	var schemes []string
	for _, o := range openers {
		for _, s := range o.Schemes {
			schemes = append(schemes, s+":")
		}
	}
	if len(schemes) == 0 {
		return "openers given: none"
	}
	return "openers given: " + strings.Join(schemes, " ")
}
