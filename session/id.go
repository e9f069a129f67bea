package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// idLen is the length of 256 bits in base64url without padding.
const idLen = 43

// encoding is strict: the last of the 43 characters holds two bits that are
// always 0. A lenient decoder would take four spellings for one id (SEC-03).
var encoding = base64.RawURLEncoding.Strict()

// An id is 256 random bits. It is in the cookie and nowhere else.
type id [sha256.Size]byte

// newID returns a new id. Reading from crypto/rand does not fail: the program
// ends if the system has no randomness. (A variable, so that the tests can look for
// each of them where none should be.)
var newID = func() (i id) {
	_, _ = rand.Read(i[:])
	return i
}

// parseID reads the value of a cookie, before anything is asked of the store.
func parseID(value string) (i id, ok bool) {
	if len(value) != idLen {
		return id{}, false
	}
	var text [idLen]byte
	copy(text[:], value)
	// The decoder passes over line ends, so 43 characters can be too few bytes.
	n, err := encoding.Decode(i[:], text[:])
	if err != nil || n != len(i) {
		return id{}, false
	}
	return i, true
}

// cookie is the value of the cookie.
func (i id) cookie() string { return encoding.EncodeToString(i[:]) }

// key is what the store calls the session by: a digest, so that nobody can make a
// cookie from what stands in a database (SEC-04, SEC-05).
func (i id) key() string {
	sum := sha256.Sum256(i[:])
	var text [idLen]byte
	encoding.Encode(text[:], sum[:])
	return string(text[:])
}
