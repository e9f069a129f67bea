package file

import "github.com/sojourn-go/sojourn/internal/peer"

// InProcess is a store in a process of its own: by its name the report knows whose it is.
type InProcess struct{ *peer.Store }

// Disk and Handle are what a store works on, for tests with others than the system's.
type (
	Disk   = disk
	Handle = handle
)

// The parts of a session's file, for tests that change what is stored.
const (
	DeadlineAt  = deadlineAt
	DeadlineEnd = deadlineEnd
)

var (
	EncodeDeadline = encodeDeadline
	DecodeDeadline = decodeDeadline
	IsName         = isName
	PathOf         = func(id string) string { n := nameOf(id); return string(n[:2] + "/" + n) }
)

// NewOn opens a store on a disk.
func NewOn(root Disk, opts *Options) (*Store, error) { return newStore(root, opts) }

// OpenDisk opens a folder of the system, and makes it if it is not there.
func OpenDisk(dir string) (Disk, error) { return openRoot(dir) }

// Hook is called for each call of a disk with what is to be done, which it may do or
// not, and returns the call's error.
type Hook func(op string, do func() error) error

// ErrShort has a hooked Write write half of it.
type ErrShort struct{ Err error }

func (e ErrShort) Error() string { return e.Err.Error() }

// Hooked is d with a hook.
func Hooked(d Disk, hook Hook) Disk { return &hooked{d, hook} }

type hooked struct {
	d    disk
	hook Hook
}

func (h *hooked) Folder(name string, make bool) (f disk, err error) {
	err = h.hook("folder", func() (err error) { f, err = h.d.Folder(name, make); return err })
	if err != nil {
		if f != nil {
			_ = f.Close()
		}
		return nil, err
	}
	return &hooked{f, h.hook}, nil
}

func (h *hooked) Read(name string) (b []byte, err error) {
	err = h.hook("read", func() (err error) { b, err = h.d.Read(name); return err })
	return b, err
}

func (h *hooked) Head(name string, b []byte) (n int, err error) {
	err = h.hook("head", func() (err error) { n, err = h.d.Head(name, b); return err })
	return n, err
}

func (h *hooked) Create(name string) (f handle, err error) {
	err = h.hook("create", func() (err error) { f, err = h.d.Create(name); return err })
	if err != nil {
		if f != nil {
			_ = f.Close()
		}
		return nil, err
	}
	return &hookedHandle{f, h.hook}, nil
}

func (h *hooked) WriteAt(name string, b []byte, at int64, sync bool) error {
	return h.hook("writeat", func() error { return h.d.WriteAt(name, b, at, sync) })
}

func (h *hooked) Rename(from, to string) error {
	return h.hook("rename", func() error { return h.d.Rename(from, to) })
}

func (h *hooked) Remove(name string) error {
	return h.hook("remove", func() error { return h.d.Remove(name) })
}

func (h *hooked) Names() (names []string, err error) {
	err = h.hook("names", func() (err error) { names, err = h.d.Names(); return err })
	return names, err
}

func (h *hooked) Sync() error { return h.hook("sync folder", h.d.Sync) }

func (h *hooked) TryLock() (ok bool, err error) {
	err = h.hook("lock", func() (err error) { ok, err = h.d.TryLock(); return err })
	if ok && err != nil {
		_ = h.d.Unlock()
	}
	return ok && err == nil, err
}

func (h *hooked) Unlock() error { return h.hook("unlock", h.d.Unlock) }

func (h *hooked) Gone() bool { return h.d.Gone() }

func (h *hooked) Close() error {
	err := h.hook("close folder", func() error { return nil })
	if e := h.d.Close(); err == nil {
		err = e
	}
	return err
}

type hookedHandle struct {
	h    handle
	hook Hook
}

func (h *hookedHandle) Write(b []byte) (n int, err error) {
	err = h.hook("write", func() (err error) { n, err = h.h.Write(b); return err })
	if short, ok := err.(ErrShort); ok {
		n, _ = h.h.Write(b[:len(b)/2])
		return n, short.Err
	}
	return n, err
}

func (h *hookedHandle) Sync() error { return h.hook("sync", h.h.Sync) }

func (h *hookedHandle) Close() error {
	err := h.hook("close", func() error { return nil })
	if e := h.h.Close(); err == nil {
		err = e
	}
	return err
}
