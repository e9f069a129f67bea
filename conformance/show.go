package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// How calls, records and errors are shown. An id is cut and data is counted, not
// shown whole: a report is read by people, and may be of a staging server.

func short(id string) string {
	if len(id) > 12 {
		return fmt.Sprintf("%q…(%d B)", id[:8], len(id))
	}
	return fmt.Sprintf("%q", id)
}

func size(r store.Record) string {
	if r.Owner == "" {
		return fmt.Sprintf("%d B", len(r.Data))
	}
	return fmt.Sprintf("%d B of %q", len(r.Data), clip(r.Owner))
}

func clip(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}

func rev(v store.Revision) string { return fmt.Sprintf("%016x", uint64(v)) }

func result(v store.Revision, err error) string {
	if err != nil {
		return errText(err)
	}
	return "revision " + rev(v)
}

func preview(b []byte) string {
	if len(b) > 16 {
		return fmt.Sprintf("%d bytes, % x…", len(b), b[:16])
	}
	return fmt.Sprintf("%d bytes, % x", len(b), b)
}

var sentinels = []struct {
	err  error
	name string
}{
	{store.ErrNotFound, "ErrNotFound"},
	{store.ErrExists, "ErrExists"},
	{store.ErrConflict, "ErrConflict"},
	{store.ErrCorrupt, "ErrCorrupt"},
	{store.ErrTooLarge, "ErrTooLarge"},
	{store.ErrInvalid, "ErrInvalid"},
	{store.ErrFull, "ErrFull"},
	{store.ErrClosed, "ErrClosed"},
	{store.ErrUnknown, "ErrUnknown"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{context.Canceled, "context.Canceled"},
	{errors.ErrUnsupported, "errors.ErrUnsupported"},
}

// errText names the contract's error in err, and quotes any other.
func errText(err error) string {
	if err == nil {
		return "ok"
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return fmt.Sprintf("error %q", err)
}

func names(errs []error) string {
	out := make([]string, len(errs))
	for i, e := range errs {
		out[i] = errText(e)
	}
	return strings.Join(out, " or ")
}
