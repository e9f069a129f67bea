package mongo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func TestParse(t *testing.T) {
	for url, want := range map[string]target{
		"mongodb://h/app":                                                     {url: "mongodb://h/app"},
		"MongoDB://h/app?collection=s":                                        {url: "mongodb://h/app", collection: "s"},
		"mongodb://h/app?collection=a%20b&migrate=0":                          {url: "mongodb://h/app", collection: "a b", migrate: true},
		"mongodb://a,b:2,c/app?replicaSet=rs&w=majority&timeout=3s&tls=true":  {url: "mongodb://a,b:2,c/app?replicaSet=rs&w=majority&tls=true", opts: Options{Timeout: 3 * time.Second}},
		"mongodb://u:p%40@h/app?retryWrites=false&sweep_every=-1s&max_data=9": {url: "mongodb://u:p%40@h/app?retryWrites=false", opts: Options{SweepEvery: -time.Second, MaxData: 9}},
		"mongodb+srv://cluster.example.org/app?retryWrites=true&w=majority&srvMaxHosts=2&readPreference=primary&journal=true&collection=x": {
			url: "mongodb+srv://cluster.example.org/app?retryWrites=true&w=majority&srvMaxHosts=2&readPreference=primary&journal=true", collection: "x",
		},
	} {
		want.database = "app"
		if want.collection == "" {
			want.collection = "sessions"
		}
		want.migrate = !want.migrate // is on unless it says otherwise
		got, err := parse(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got.url != want.url || got.database != want.database || got.collection != want.collection || got.migrate != want.migrate || got.opts.Timeout != want.opts.Timeout ||
			got.opts.SweepEvery != want.opts.SweepEvery || got.opts.MaxData != want.opts.MaxData {
			t.Errorf("%s:\ngot  %+v\nwant %+v", url, *got, want)
		}
	}
}

// What is wrong in a URL is told, and no password with it.
func TestParseRefuses(t *testing.T) {
	for url, says := range map[string]string{
		"mongodb://h":                                   "names no database",
		"mongodb://h/":                                  "names no database",
		"mongodb://u:hunter2@h/?collection=s":           "names no database",
		"mongodb:///app":                                "cannot parse",
		"mongodb://u:hunter2@@h/app":                    "cannot parse",
		"mongodb://u:hun/ter2@h/app":                    "cannot parse",
		"mongodb://u:hunter2%zz@h/app":                  "cannot parse",
		"mongodb://h/app?colection=s":                   `"colection"`,
		"mongodb://h/app?collection=":                   "names no collection",
		"mongodb://h/app?collection=a&collection=b":     "more than once",
		"mongodb://h/app?collection=%zz":                "collection",
		"mongodb://h/app?timeout=3":                     "timeout of the URL wants a duration",
		"mongodb://h/app?sweep_every=x":                 "sweep_every of the URL wants a duration",
		"mongodb://h/app?max_data=1.5":                  "max_data of the URL wants a whole number",
		"mongodb://h/app?migrate=perhaps":               "migrate of the URL wants true or false",
		"mongodb://h/app?readPreference=secondary":      "readPreference",
		"mongodb://h/app?readPreference=nearest":        "readPreference",
		"mongodb://h/app?readConcernLevel=linearizable": "readConcernLevel",
		"mongodb://h/app?w=1":                           "w or journal",
		"mongodb://h/app?w=0":                           "w or journal",
		"mongodb://h/app?w=tag":                         "w or journal",
		"mongodb://h/app?journal=false":                 "w or journal",
		"mongodb+srv://u:hunter2@h/app?nonsense=1":      `"nonsense"`,
	} {
		_, err := parse(url)
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: got %v, want that it says %q", url, err, says)
		}
	}
}

// A URL of another scheme names the import.
func TestHome(t *testing.T) {
	for _, url := range []string{"mongodb://h/app", "mongodb+srv://h/app"} {
		if _, err := store.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "github.com/sojourn-go/sojourn/mongo") {
			t.Errorf("got %v", err)
		}
	}
}
