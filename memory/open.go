package memory

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/sojourn-go/sojourn/store"
)

// Opener opens a new, empty store by the URL memory:, with the parameters
// max_sessions, max_bytes and max_data:
//
//	memory:?max_sessions=100000&max_bytes=1000000000
var Opener = store.Opener{Schemes: []string{"memory"}, Open: open}

func open(_ context.Context, rawURL string) (store.Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("memory: %w: the URL cannot be parsed; it is memory: and parameters", store.ErrInvalid)
	}
	if u.Host != "" || u.User != nil || u.Path != "" || u.Opaque != "" || u.Fragment != "" {
		return nil, fmt.Errorf("memory: %w: the URL is memory: and parameters; it has no host and no path", store.ErrInvalid)
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("memory: %w: the parameters of the URL cannot be parsed", store.ErrInvalid)
	}
	if err := store.CheckParams(params, "max_sessions", "max_bytes", "max_data"); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	var opts Options
	for name, set := range map[string]func(int64){
		"max_sessions": func(n int64) { opts.MaxSessions = int(n) },
		"max_bytes":    func(n int64) { opts.MaxBytes = n },
		"max_data":     func(n int64) { opts.MaxData = int(n) },
	} {
		if !params.Has(name) {
			continue
		}
		n, err := strconv.ParseInt(params.Get(name), 10, 64)
		if err != nil || n < 1 || int64(int(n)) != n {
			return nil, fmt.Errorf("memory: %w: %s wants a whole number over 0", store.ErrInvalid, name)
		}
		set(n)
	}
	return New(&opts), nil
}
