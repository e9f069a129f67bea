package call

import "github.com/sojourn-go/sojourn/store"

// Refused says what became of a write that changed nothing, by the revision of what is
// live in its place, or the error of the look for it. The write was to make the revision
// made, of the revision base, or of nothing where that is 0. unsure tells that an attempt
// before this one may have been applied.
//
// With again nothing is in its way any more: it is to be made once more. A nil error says
// that an attempt before this one was applied.
func Refused(found store.Revision, err error, made, base store.Revision, unsure bool) (again bool, _ error) {
	gone := err == store.ErrNotFound
	switch {
	case err != nil && !gone:
		return false, err
	case gone && base == 0, !gone && found == base:
		return true, nil
	case !gone && found == made:
		return false, nil
	case unsure:
		return false, store.ErrUnknown // somebody built on it, or was quicker
	case gone:
		return false, store.ErrNotFound
	case base == 0:
		return false, store.ErrExists
	default:
		return false, store.ErrConflict
	}
}
