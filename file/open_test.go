package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/file"
	"github.com/sojourn-go/sojourn/store"
)

func TestOpenByURL(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"file:./a":                      "a",
		"file:b":                        "b",
		"file:" + dir + "/c":            "c",
		"file://" + dir + "/d":          "d",
		"file://localhost" + dir + "/e": "e",
		"FILE:f%3Fg h?durability=atomic&timeout=1s&sweep_every=-1s&max_data=100": "f?g h",
	} {
		s, err := store.Open(ctx, url, file.Opener)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if _, err := s.Create(ctx, "id", store.Record{}, time.Hour); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if len(paths(t, filepath.Join(dir, strings.ReplaceAll(want, "?", "[?]")))) != 1 {
			t.Errorf("%s has not made %s", url, want)
		}
		_, large := s.Create(ctx, "large", store.Record{Data: make([]byte, 101)}, time.Hour)
		if strings.Contains(url, "max_data") != errors.Is(large, store.ErrTooLarge) {
			t.Errorf("%s: 101 bytes: %v", url, large)
		}
		if err := store.Close(s); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for url, says := range map[string]string{
		"file:":                        "file:./sessions",
		"file://host/a":                "on this machine",
		"file://a/b":                   "on this machine",
		"file:a%zz":                    "cannot be understood",
		"file:a#b":                     "cannot be understood",
		"file:a?durability=maximal":    "synced or atomic",
		"file:a?sweep_every=5":         "duration",
		"file:a?max_data=many":         "whole number",
		"file:a?prefix=x":              "durability",
		"file:a?timeout=1s&timeout=2s": "timeout",
	} {
		t.Chdir(t.TempDir())
		s, err := store.Open(ctx, url, file.Opener)
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want ErrInvalid that says %q", url, err, says)
		}
		if err == nil {
			_ = store.Close(s)
		}
		if all, _ := os.ReadDir("."); len(all) > 0 {
			t.Errorf("%s has made %q", url, all[0].Name())
		}
	}
}
