package redis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

func TestParse(t *testing.T) {
	opts, theirs, kind, err := redis.Parse("rediss+cluster://u:p%40ss@h:1?addr=i:2&addr=j:3&prefix=shop&slots=16&replicas=1&evictable=true&timeout=500ms&max_data=1000&pool_size=7")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Prefix != "shop" || opts.Slots != 16 || opts.Replicas != 1 || !opts.Evictable || opts.Timeout != 500*time.Millisecond || opts.MaxData != 1000 {
		t.Errorf("%+v", opts)
	}
	if kind != "cluster" || theirs != "rediss://u:p%40ss@h:1?addr=i%3A2&addr=j%3A3&pool_size=7" {
		t.Errorf("%s, %s", kind, theirs)
	}
}

// A URL that is wrong is refused before anything is dialled, and the error says what to do
// and no password.
func TestOpenRefuses(t *testing.T) {
	const secret = "hunter2"
	for url, advice := range map[string]string{
		"redis://u:" + secret + "@h:6379/0?prefx=a":            `"prefx" in the URL; this package takes prefix`,
		"redis://u:" + secret + "@h:6379/0?prefix=a&prefix=b":  "more than once",
		"redis://u:" + secret + "@h:6379/0?prefix=":            "prefix",
		"redis://u:" + secret + "@h:6379/0?prefix=a*":          "letters, digits",
		"redis://u:" + secret + "@h:6379/0?slots=many":         "slots of the URL wants a whole number",
		"redis://u:" + secret + "@h:6379/0?slots=5000":         "1 to 4096",
		"redis://u:" + secret + "@h:6379/0?replicas=-1":        "Replicas",
		"redis://u:" + secret + "@h:6379/0?timeout=5":          "duration like 500ms",
		"redis://u:" + secret + "@h:6379/0?evictable=perhaps":  "true or false",
		"redis://u:" + secret + "@h:6379/notanumber":           "database number",
		"redis://u:" + secret + "@h:6379/0?pool_size=x":        "pool_size",
		"redis+sentinel://u:" + secret + "@h:26379/0":          "master_name",
		"redis+other://u:" + secret + "@h:6379":                "no opener for redis+other:",
		"redis://u:" + secret + "%zz@h:6379":                   "percent-encoded",
		"redis://u:" + secret + "@h:6379/0?prefix=%zz":         "parameters",
		"redis+cluster://u:" + secret + "@h:1?read_only=maybe": "read_only",
		"redis+cluster://u:" + secret + "@h:1?nonsense=1":      `"nonsense"`,
		"redis://:12/" + secret + "@h:6379":                    "percent-encoded",
		"redis://:12?" + secret + "@h:6379":                    "percent-encoded",
		"redis://:12#" + secret + "@h:6379":                    "percent-encoded",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // none of these hosts is there
		_, err := store.Open(ctx, url, redis.Opener)
		cancel()
		if err == nil || advice != "" && (!errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), advice)) {
			t.Errorf("%s: got %v, want ErrInvalid with %q", url, err, advice)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the password is in the error %v", url, err)
		}
	}
}

func TestNewRefusesClients(t *testing.T) {
	one := goredis.NewClient(&goredis.Options{})
	many := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	ring := goredis.NewRing(&goredis.RingOptions{})
	right := goredis.NewClient(&goredis.Options{ContextTimeoutEnabled: true})
	auto, err := right.AutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, c := range []goredis.UniversalClient{auto, one, many, ring, right} {
			_ = c.Close()
		}
	}()
	for what, c := range map[string]goredis.UniversalClient{
		"redis.Options.ContextTimeoutEnabled": one, "redis.ClusterOptions.ContextTimeoutEnabled": many, "*redis.Ring": ring, "Options.AutoPipeliner": auto, "<nil>": nil,
	} {
		if err := redis.NewClient(c); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want ErrInvalid that names %s", err, what)
		}
	}
	if err := redis.NewClient(right); err != nil {
		t.Error(err)
	}
}

// A server that is not there is an error at once.
func TestOpenOfNobody(t *testing.T) {
	for _, url := range []string{"redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1", "redis+sentinel://127.0.0.1:1?master_name=m"} {
		_, err := store.Open(t.Context(), url, redis.Opener)
		if err == nil || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnknown) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", url, err)
		}
		t.Log(err)
	}
}
