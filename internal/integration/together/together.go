// Package together has several processes work on one store at once.
package together

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/peer"
	"github.com/sojourn-go/sojourn/store"
)

// Visit counts one up on the session id, as a manager does: it loads, makes or
// updates, and begins again if somebody was quicker.
func Visit(ctx context.Context, s store.Store, id string) error {
	for {
		e, err := s.Load(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			_, err = s.Create(ctx, id, store.Record{Data: []byte("1")}, time.Hour)
		case err == nil:
			n, _ := strconv.Atoi(string(e.Data))
			_, err = s.Update(ctx, id, store.Record{Data: []byte(strconv.Itoa(n + 1))}, time.Hour, e.Revision)
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
}

// Run runs a function of those that TestMain gave to peer.Main, in n processes at once.
func Run(t *testing.T, n int, name string, args ...string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := peer.Run(t.Context(), name, args...); err != nil {
				t.Errorf("one of %d processes: %v", n, err)
			}
		})
	}
	wg.Wait()
}

// session is the one that Counting counts on.
const session = "n"

// Counting is a function for peer.Main: it opens the store args[0] and visits one session
// args[1] times.
func Counting(open func(ctx context.Context, url string) (store.Store, error)) peer.Func {
	return func(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
		s, err := open(ctx, args[0])
		if err != nil {
			return err
		}
		defer store.Close(s)
		times, err := strconv.Atoi(args[1])
		for range times {
			err = errors.Join(err, Visit(ctx, s, session))
		}
		return err
	}
}

// Count runs [Counting], which peer.Main knows by that name, in eight processes at once on
// the store that the URL opens and s is a handle of. The sum must be what was acknowledged.
func Count(t *testing.T, name, url string, s store.Store, each int) {
	t.Helper()
	const processes = 8
	Run(t, processes, name, url, strconv.Itoa(each))
	e, err := s.Load(t.Context(), session)
	if err != nil || string(e.Data) != strconv.Itoa(processes*each) {
		t.Errorf("the count is %s, want %d; %v", e.Data, processes*each, err)
	}
}
