package file_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/integration/diary"
	"github.com/sojourn-go/sojourn/internal/integration/together"
	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

// REL-10: processes that count on one session. The sum is what was acknowledged.
func TestProcessesCount(t *testing.T) {
	t.Parallel()
	each := 100
	if full() {
		each = 1000
	}
	url, s := folder(t)
	together.Count(t, "count", url, s, each)
}

// REL-01: a process that writes is killed at a moment by chance. What it acknowledged is
// there, what it was at is there whole or not at all, and what it left half done is swept.
func TestREL01Killed(t *testing.T) {
	t.Parallel()
	rounds := 25
	if full() {
		rounds = 2000
	}
	url, s := folder(t)
	dir, _, _ := strings.Cut(strings.TrimPrefix(url, "file:"), "?")
	acknowledged, failed, left := 0, 0, 0
	for round := range rounds {
		p, err := peer.Start(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		d := diary.Begin(t.Context(), p, fmt.Sprint(round))
		some := 20 + rand.N(150)
		if err := d.Await(t.Context(), func(c diary.Counts) bool { return c.Acknowledged > some }); err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		d.Stop()
		_ = p.Close()
		found, err := d.Check(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			t.Error(f)
		}
		acknowledged += d.Counts().Acknowledged
		failed += d.Counts().Failed
		left += len(half(t, dir))
		if t.Failed() {
			break
		}
		if err := s.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if n := half(t, dir); len(n) > 0 {
		t.Errorf("after a sweep there is still %q", n)
	}
	t.Logf("%d kills: %d writes acknowledged, %d under way, %d files left half written", rounds, acknowledged, failed, left)
	if failed < rounds/2 {
		t.Errorf("%d kills struck %d writes: this shows little", rounds, failed)
	}
}

// half are the files that were being written.
func half(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "??", "new-*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// REL-11: a session is ended while another process writes to it, and one of the two is
// killed. If the end was acknowledged, the session is gone, and stays so.
func TestREL11KilledWhileItEnds(t *testing.T) {
	t.Parallel()
	rounds := 30
	if full() {
		rounds = 1000
	}
	url, s := folder(t)
	ended := 0
	for round := range rounds {
		id := fmt.Sprint("session-", round)
		if _, err := s.Create(t.Context(), id, store.Record{Data: []byte("here"), Owner: "alice"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		writer, err := peer.Begin(t.Context(), "write", url, id)
		if err != nil {
			t.Fatal(err)
		}
		deleter, err := peer.Start(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(writer.Out, make([]byte, 1+rand.N(20))); err != nil { // it is at it
			t.Fatal(err)
		}
		killWriter := round%2 == 0
		killed := make(chan error, 1)
		time.AfterFunc(rand.N(2*time.Millisecond), func() {
			if killWriter {
				killed <- writer.Kill()
			} else {
				killed <- deleter.Kill()
			}
		})
		err = deleter.Delete(t.Context(), id)
		if e := <-killed; e != nil {
			t.Error(e)
		}
		_ = deleter.Close()
		if err == nil {
			ended++
			_, loaded := s.Load(t.Context(), id)
			if !errors.Is(loaded, store.ErrNotFound) {
				t.Errorf("round %d: the end was acknowledged, and then: %v", round, loaded)
			}
			go func() { _, _ = io.Copy(io.Discard, writer.Out) }()
			_ = writer.Wait() // who was not killed has come to an end by itself
			if _, loaded := s.Load(t.Context(), id); !errors.Is(loaded, store.ErrNotFound) {
				t.Errorf("round %d: the session has come back: %v", round, loaded)
			}
			continue
		}
		if killWriter {
			t.Errorf("round %d: nobody killed the one who deletes: %v", round, err)
		}
		_ = writer.Kill()
		if _, err := s.Load(t.Context(), id); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("round %d: %v", round, err)
		}
	}
	t.Logf("%d rounds, the end was acknowledged in %d", rounds, ended)
	if ended < rounds/3 {
		t.Errorf("the end was acknowledged in %d of %d rounds", ended, rounds)
	}
	names := 0
	for range store.List(context.WithoutCancel(t.Context()), s, store.Query{Owner: "alice"}) {
		names++
	}
	if names > rounds-ended {
		t.Errorf("the owner has %d sessions of %d that were not ended", names, rounds-ended)
	}
}
