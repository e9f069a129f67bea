package file

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// formatFile says that a folder is a store's, and how it is laid out.
const (
	formatFile = "FORMAT"
	format     = "sojourn file store 1\n"
)

// New opens the store in the folder dir, and makes it if it is not there, with rights for
// this user only. A nil opts is the default. Close closes what it has opened.
//
// It returns an error for a folder that has something else in it, that belongs to somebody
// else, or that others may write to.
func New(dir string, opts *Options) (*Store, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("file: open %s: %w", dir, plain(err))
	}
	s, err := newStore(root, opts)
	if err != nil {
		return nil, fmt.Errorf("file: open %s: %w", dir, errors.Join(err, root.Close()))
	}
	return s, nil
}

func openRoot(dir string) (disk, error) {
	switch err := os.Mkdir(dir, folderMode); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the folder that it is to be in is not there: %w", store.ErrInvalid, plain(err))
	case err != nil && !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	switch fi, err := os.Stat(dir); { // opening a pipe would wait for ever
	case err != nil:
		return nil, err
	case !fi.IsDir():
		return nil, fmt.Errorf("%w: it is no folder", store.ErrInvalid)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	fi, err := root.Stat(".")
	if err == nil {
		err = private(fi, 0o022)
	}
	if err == nil {
		// Who made it may have died before that was synced.
		if _, e := root.Lstat(formatFile); e != nil {
			err = syncParent(dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return newDisk(root)
}

func syncParent(dir string) error {
	f, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

func newStore(root disk, opts *Options) (*Store, error) {
	s := &Store{root: root}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Durability != Synced && s.opts.Durability != Atomic {
		return nil, fmt.Errorf("%w: Options.Durability is %d", store.ErrInvalid, s.opts.Durability)
	}
	for i := range s.sessions {
		s.sessions[i].busy = make(chan struct{}, 1)
	}
	if err := s.claim(); err != nil {
		return nil, err
	}
	s.sweeper.owners.Store(rand.Uint32())
	s.sweeper.Start(s.opts.SweepEvery, s.sweepInBackground, s.tell)
	return s, nil
}

// claim makes sure that the folder is a store's. Several processes may do so at once.
func (s *Store) claim() error {
	b, err := s.root.Read(formatFile)
	switch {
	case err == nil && string(b) == format:
		return nil
	case err == nil:
		return fmt.Errorf("%w: its %s is not %q: another version has made it", store.ErrInvalid, formatFile, strings.TrimSpace(format))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	names, err := s.root.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !ours(n) { // somebody has removed what is in the folder while it was in use
			return fmt.Errorf("%w: the folder has other things in it (%q): name one that is empty, or not there", store.ErrInvalid, n)
		}
	}
	temp := formatFile + "-" + cryptorand.Text()
	if err := writeFile(s.root, temp, []byte(format), true); err != nil {
		return errors.Join(err, discard(s.root, temp))
	}
	if err := s.root.Rename(temp, formatFile); err != nil {
		return errors.Join(err, discard(s.root, temp))
	}
	// Whatever Durability is: a power cut that left it empty would keep everybody out.
	return s.root.Sync()
}

// ours reports whether the store may have made a file or folder of that name.
func ours(name string) bool {
	digits := strings.TrimPrefix(name, "owner-")
	_, err := strconv.ParseUint(digits, 16, 8)
	return strings.HasPrefix(name, formatFile) || len(digits) == 2 && err == nil
}

// probe writes and removes a file.
func (s *Store) probe() error {
	temp := formatFile + "-" + cryptorand.Text()
	return errors.Join(writeFile(s.root, temp, []byte(format), false), discard(s.root, temp))
}

// Opener opens a store by the path of its folder, which may be a relative one, with
// parameters:
//
//	file:./sessions
//	file:/var/lib/app/sessions?durability=atomic&sweep_every=1m
//
// They are named as the fields of [Options]: durability (synced or atomic), timeout,
// sweep_every (durations like 500ms or 5m) and max_data (in bytes). What a URL may not
// hold as it is, such as a question mark, is written like %3F.
var Opener = store.Opener{Schemes: []string{"file"}, Open: open}

var params = []string{"durability", "timeout", "sweep_every", "max_data"}

func open(ctx context.Context, rawURL string) (store.Store, error) {
	if err := store.CheckContext(ctx); err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	dir, opts, err := parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	s, err := New(dir, opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func parse(rawURL string) (dir string, opts *Options, err error) {
	_, rest, _ := strings.Cut(rawURL, ":")
	path, query, _ := strings.Cut(rest, "?")
	if after, ok := strings.CutPrefix(path, "//"); ok { // file:///var/lib has an empty host
		if path = strings.TrimPrefix(after, "localhost"); !strings.HasPrefix(path, "/") {
			return "", nil, fmt.Errorf("%w: the files are on this machine: write file:./sessions, or file:///var/lib/sessions", store.ErrInvalid)
		}
	}
	if dir, err = url.PathUnescape(path); err != nil || dir == "" || strings.ContainsAny(path, "#\x00") {
		return "", nil, fmt.Errorf("%w: the path of the URL cannot be understood: it reads file:./sessions, with %%23 for # and the like", store.ErrInvalid)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", nil, fmt.Errorf("%w: the parameters of the URL cannot be parsed", store.ErrInvalid)
	}
	if err := store.CheckParams(values, params...); err != nil {
		return "", nil, err
	}
	opts = &Options{}
	for _, p := range params {
		if !values.Has(p) {
			continue
		}
		if err := opts.set(p, values.Get(p)); err != nil {
			return "", nil, fmt.Errorf("%w: the parameter %s of the URL %w", store.ErrInvalid, p, err)
		}
	}
	return dir, opts, nil
}

// set sets the option that a parameter names.
func (o *Options) set(name, value string) (err error) {
	switch name {
	case "durability":
		for _, d := range []Durability{Synced, Atomic} {
			if value == d.String() {
				o.Durability = d
				return nil
			}
		}
		return errors.New("wants synced or atomic")
	case "max_data":
		if o.MaxData, err = strconv.Atoi(value); err != nil {
			return errors.New("wants a whole number")
		}
		return nil
	case "timeout":
		o.Timeout, err = time.ParseDuration(value)
	case "sweep_every":
		o.SweepEvery, err = time.ParseDuration(value)
	}
	if err != nil {
		return errors.New("wants a duration, like 500ms or 5m")
	}
	return nil
}
