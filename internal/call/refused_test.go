package call_test

import (
	"errors"
	"testing"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

func TestRefused(t *testing.T) {
	const made, base, other = 1, 2, 3
	down := errors.New("down")
	for _, c := range []struct {
		what   string
		found  store.Revision
		err    error
		base   store.Revision
		unsure bool
		again  bool
		want   error
	}{
		{"a create, and something is there", other, nil, 0, false, false, store.ErrExists},
		{"a create, and something is there after a lost reply", other, nil, 0, true, false, store.ErrUnknown},
		{"a create, and it is there after a lost reply", made, nil, 0, true, false, nil},
		{"a create, and nothing is there any more", 0, store.ErrNotFound, 0, false, true, nil},
		{"a create, and nothing is there after a lost reply", 0, store.ErrNotFound, 0, true, true, nil},
		{"a create, over what cannot be read", 0, store.ErrCorrupt, 0, true, false, store.ErrCorrupt},
		{"an update, and its base is there", base, nil, base, false, true, nil},
		{"an update, and its base is there after a lost reply", base, nil, base, true, true, nil},
		{"an update, and another was quicker", other, nil, base, false, false, store.ErrConflict},
		{"an update, and another is there after a lost reply", other, nil, base, true, false, store.ErrUnknown},
		{"an update, and it is there after a lost reply", made, nil, base, true, false, nil},
		{"an update, and nothing is there", 0, store.ErrNotFound, base, false, false, store.ErrNotFound},
		{"an update, and nothing is there after a lost reply", 0, store.ErrNotFound, base, true, false, store.ErrUnknown},
		{"an update, and nobody knows", 0, down, base, false, false, down},
	} {
		again, err := call.Refused(c.found, c.err, made, c.base, c.unsure)
		if again != c.again || err != c.want {
			t.Errorf("%s: again %v, %v; want %v, %v", c.what, again, err, c.again, c.want)
		}
	}
}
