package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// folder is one of the 256 of its kind. It is opened when it is first used, and made when
// it is first written to.
type folder struct {
	mu    sync.Mutex
	disk  disk
	kept  bool // a power cut does not take the folder itself
	noted bool // nor the entries of owners that were there before

	busy   chan struct{} // full while a goroutine of this process has the lock
	streak time.Time     // since when this process has had the lock without a pause; with busy
	last   time.Time     // when this process gave the lock back; with busy
}

const (
	sessionFolder = "%02x"
	ownerFolder   = "owner-%02x"
)

// disk returns the folder. One that is not there, and is not to be made, is
// [fs.ErrNotExist].
func (s *Store) disk(f *folder, kind string, i int, make bool) (disk, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.disk == nil {
		d, err := s.root.Folder(fmt.Sprintf(kind, i), make)
		if errors.Is(err, fs.ErrNotExist) && (make || s.root.Gone()) {
			return nil, errors.New("the folder of the store was removed while it was in use: start again")
		}
		if err != nil {
			return nil, err
		}
		f.disk = d
	}
	if make {
		if err := s.keep(f); err != nil {
			return nil, err
		}
	}
	return f.disk, nil
}

// keep makes sure that a power cut does not take the folder itself. Also one that was
// there: who made it may have died before it was synced. The caller holds mu.
func (s *Store) keep(f *folder) error {
	if f.kept || s.opts.Durability != Synced {
		return nil
	}
	if err := s.root.Sync(); err != nil {
		return err
	}
	f.kept = true
	return nil
}

// present is disk, and another one where somebody has removed the folder while it was in
// use, as with rm -rf sessions/*.
func (s *Store) present(f *folder, kind string, i int, make bool) (disk, error) {
	d, err := s.disk(f, kind, i, make)
	if err == nil && d.Gone() {
		f.forget(d)
		d, err = s.disk(f, kind, i, make)
	}
	return d, err
}

// forget leaves it to the garbage collector to close the folder: others may be using it.
func (f *folder) forget(d disk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.disk == d {
		f.disk, f.kept, f.noted = nil, false, false
	}
}

func (f *folder) close() error {
	if f.disk == nil {
		return nil
	}
	return f.disk.Close()
}

// hold takes the lock of a folder of sessions: first among the goroutines of this
// process, then among the processes.
func (s *Store) hold(ctx context.Context, shard int, make bool) (d disk, unlock func() error, err error) {
	f := &s.sessions[shard]
	if d, err = s.present(f, sessionFolder, shard, make); err != nil {
		return nil, nil, err
	}
	if t := s.opts.timeout(); t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t, errBusy)
		defer cancel()
	}
	select {
	case f.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, store.CheckContext(ctx)
	}
	for {
		if err := f.lock(ctx, d); err != nil {
			<-f.busy
			return nil, nil, err
		}
		if !d.Gone() {
			break
		}
		// It was removed meanwhile, and its lock keeps nobody out any more.
		_ = d.Unlock()
		f.forget(d)
		if d, err = s.disk(f, sessionFolder, shard, make); err != nil {
			<-f.busy
			return nil, nil, err
		}
	}
	return d, func() error {
		f.last = time.Now()
		err := d.Unlock()
		<-f.busy
		return err
	}, nil
}

var errBusy = errors.New("other writers of the same folder take too long")

// lock asks again and again, since a wait inside the system could not be ended. A process
// whose goroutines queue would never let another one in between: after a while it makes a
// pause.
func (f *folder) lock(ctx context.Context, d disk) error {
	const (
		turn  = 10 * time.Millisecond
		pause = 2 * time.Millisecond
	)
	now := time.Now()
	if now.Sub(f.last) > time.Millisecond {
		f.streak = now
	}
	failed, wait := false, time.Duration(0)
	if now.Sub(f.streak) > turn {
		wait, f.streak = pause, now.Add(pause)
	}
	for {
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return store.CheckContext(ctx)
			}
		}
		ok, err := d.TryLock()
		if ok {
			return nil
		}
		if err != nil && (failed || errors.Is(err, errors.ErrUnsupported)) {
			return fmt.Errorf("the lock of the folder: %w", err)
		}
		failed = err != nil // asked once more
		wait = 50*time.Microsecond + rand.N(500*time.Microsecond)
	}
}
