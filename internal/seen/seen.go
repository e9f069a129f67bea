// Package seen remembers which ids a listing has met.
package seen

import "hash/maphash"

// IDs are remembered by 16 bytes each.
type IDs struct {
	a, b maphash.Seed
	ids  map[[2]uint64]struct{}
}

// New returns none yet.
func New() *IDs {
	return &IDs{maphash.MakeSeed(), maphash.MakeSeed(), map[[2]uint64]struct{}{}}
}

// First reports whether id comes for the first time.
func (s *IDs) First(id string) bool {
	h := [2]uint64{maphash.String(s.a, id), maphash.String(s.b, id)}
	_, again := s.ids[h]
	s.ids[h] = struct{}{}
	return !again
}
