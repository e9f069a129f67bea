package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// disk is what the store does with the files of one folder: everything that can fail goes
// through it. Names are those of the folder, without a slash.
type disk interface {
	Folder(name string, make bool) (disk, error)
	Read(name string) ([]byte, error)                         // a whole file
	Head(name string, b []byte) (int, error)                  // its beginning
	Create(name string) (handle, error)                       // a new file, and an error if there is one
	WriteAt(name string, b []byte, at int64, sync bool) error // into a file that is there
	Rename(from, to string) error
	Remove(name string) error
	Names() ([]string, error)
	Sync() error            // makes what was created, renamed and removed survive a power cut
	TryLock() (bool, error) // takes the folder's lock among the processes, if it is free
	Unlock() error
	Gone() bool // the folder itself was removed, so that nothing can come into it any more
	Close() error
}

// handle is a new file.
type handle interface {
	io.WriteCloser
	Sync() error
}

const (
	folderMode = 0o700
	fileMode   = 0o600

	// maxFile is more than any session has.
	maxFile = 1<<30 + 1<<20
)

// errForeign is a file that the store has not made: a link, a pipe, a folder.
var errForeign = errors.New("it is no file of this store's making")

// osDisk is a folder of the system. It is reached through its own handle, so that
// nothing that happens to the path can lead elsewhere.
type osDisk struct {
	root *os.Root
	dir  *os.File // for Sync and the lock
}

// plain is an error of the system without the path, which has a digest of the id or of the
// owner in it.
func plain(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	case *os.LinkError:
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return err
}

// osFile is a new file of the system.
type osFile struct{ f *os.File }

func (f osFile) Write(b []byte) (int, error) {
	n, err := f.f.Write(b)
	return n, plain(err)
}

func (f osFile) Sync() error  { return plain(f.f.Sync()) }
func (f osFile) Close() error { return plain(f.f.Close()) }

func (d *osDisk) Read(name string) ([]byte, error) {
	f, fi, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi.Size() > maxFile {
		return nil, errForeign
	}
	b := make([]byte, fi.Size())
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil // it was cut meanwhile, or is empty
	}
	return b[:n], plain(err)
}

func (d *osDisk) Head(name string, b []byte) (int, error) {
	f, _, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return n, plain(err)
}

func (d *osDisk) WriteAt(name string, b []byte, at int64, sync bool) error {
	f, _, err := d.open(name, os.O_RDWR)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, at); err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(plain(err), plain(f.Close()))
}

// open refuses what is not a plain file with one name (SEC-25): a link would be followed
// to what another process has put there, and a pipe would hold the caller for ever.
func (d *osDisk) open(name string, flag int) (*os.File, fs.FileInfo, error) {
	f, err := d.root.OpenFile(name, flag|nonblock, 0)
	if err != nil {
		if fi, e := d.root.Lstat(name); e == nil && !fi.Mode().IsRegular() {
			return nil, nil, errForeign
		}
		return nil, nil, plain(err)
	}
	fi, err := f.Stat()
	if err == nil && (!fi.Mode().IsRegular() || links(fi) > 1) {
		err = errForeign
	}
	if err == nil {
		// Root follows a link that stays inside. A name that is gone was replaced meanwhile.
		if named, e := d.root.Lstat(name); e == nil && named.Mode()&fs.ModeSymlink != 0 {
			err = errForeign
		}
	}
	if err != nil {
		return nil, nil, errors.Join(plain(err), f.Close())
	}
	return f, fi, nil
}

func (d *osDisk) Create(name string) (handle, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, plain(err)
	}
	return osFile{f}, nil
}

func (d *osDisk) Rename(from, to string) error {
	return plain(patient(func() error { return d.root.Rename(from, to) }))
}

func (d *osDisk) Remove(name string) error {
	return plain(patient(func() error { return d.root.Remove(name) }))
}

func (d *osDisk) Names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, plain(err)
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(plain(err), f.Close())
}

func (d *osDisk) Sync() error            { return plain(syncFolder(d.dir)) }
func (d *osDisk) TryLock() (bool, error) { return tryLock(d.dir) }
func (d *osDisk) Unlock() error          { return unlock(d.dir) }
func (d *osDisk) Gone() bool             { fi, err := d.dir.Stat(); return err == nil && links(fi) == 0 }
func (d *osDisk) Close() error           { return errors.Join(d.root.Close(), d.dir.Close()) }

// Folder opens a folder in this one. One that is not there is made, or is
// [fs.ErrNotExist].
func (d *osDisk) Folder(name string, make bool) (disk, error) {
	if make {
		if err := d.root.Mkdir(name, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, plain(err)
		}
	}
	fi, err := d.root.Lstat(name)
	if err != nil {
		return nil, plain(err)
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("%s: %w", name, errForeign)
	}
	if err := private(fi, 0o077); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, plain(err)
	}
	return newDisk(r)
}

// newDisk takes over root.
func newDisk(root *os.Root) (disk, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &osDisk{root, dir}, nil
}
