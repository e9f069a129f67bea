package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Key names a value of type T in a session. Make it once, as a package variable:
//
//	var visits = session.NewKey[int]("visits")
//
// The value is stored as JSON. One that does not decode as T, because the program
// changed its type, counts as missing and is an event ([Unreadable]); only Lookup
// tells the two apart.
type Key[T any] struct{ name string }

// NewKey returns the key of that name. Two keys of one name are one value. It
// panics if the name is "".
func NewKey[T any](name string) Key[T] {
	if name == "" {
		panic("session: NewKey wants a name")
	}
	return Key[T]{name}
}

// Get returns the value, or T's zero value if there is none.
func (k Key[T]) Get(s *Session) T { return k.decode(s, s.get(k.name)) }

// Lookup returns the value and whether there is one. The error is that of decoding
// it as T.
func (k Key[T]) Lookup(s *Session) (v T, ok bool, err error) {
	text := s.get(k.name)
	if text == nil {
		return v, false, nil
	}
	v, err = unmarshal[T](apart[T](text))
	if err != nil {
		var none T // not what was decoded before the error
		return none, true, k.failed("read", err)
	}
	return v, true, nil
}

// Set puts v into the session. It returns the error of encoding v, [ErrCommitted]
// or [ErrGone].
func (k Key[T]) Set(s *Session, v T) error {
	text, err := json.Marshal(v)
	if err != nil {
		return k.failed("set", err)
	}
	_, err = s.apply(op{key: k.name, json: text})
	return err
}

// Update replaces the value by what f makes of it, and returns that. If another
// request is quicker f is called again, with what that one left, so f must only
// compute. It may read this session, but not change it: that would wait for itself,
// for ever. What Update has returned is then not what is stored in the end; after
// [Session.Save] Get returns that.
//
// It returns the error of encoding the new value, [ErrCommitted] or [ErrGone].
func (k Key[T]) Update(s *Session, f func(T) T) (T, error) {
	// Only the first run sets them: another may come when who called Update has
	// them already, in another goroutine.
	var first T
	ran := false
	_, err := s.apply(op{key: k.name, change: func(old []byte) ([]byte, error) {
		v := f(k.decode(s, old))
		if !ran {
			first, ran = v, true
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, k.failed("update", err)
		}
		return text, nil
	}})
	if err != nil {
		var none T
		return none, err
	}
	return first, nil
}

// Pop takes the value out of the session and returns it, at once: of several
// requests that pop a value exactly one gets it, and the others T's zero value.
// The session's other changes are not saved by it.
//
// It returns [ErrCommitted], [ErrGone], or the store's error; then nobody has got
// the value by this call.
func (k Key[T]) Pop(s *Session) (T, error) {
	text, err := s.pop(k.name)
	if err != nil {
		var none T
		return none, err
	}
	return k.decode(s, text), nil
}

// Delete takes the value out of the session. It returns [ErrCommitted] or
// [ErrGone].
func (k Key[T]) Delete(s *Session) error {
	_, err := s.apply(op{key: k.name})
	return err
}

func (k Key[T]) decode(s *Session, text []byte) T {
	var none T
	if text == nil {
		return none
	}
	v, err := unmarshal[T](apart[T](text))
	if err != nil {
		s.scope.tell(Unreadable, k.failed("read", err))
		return none
	}
	return v
}

// apart is what a T is decoded from: a copy, unless a T can keep none of it. An
// UnmarshalJSON has to copy what it keeps; one that does not would let the handler change
// what is in the session, and in a store in memory what other requests read (SEC-21).
func apart[T any](text []byte) []byte {
	switch k := reflect.TypeFor[T]().Kind(); {
	case k <= reflect.Complex128, k == reflect.String:
		return text
	}
	return bytes.Clone(text)
}

// failed names the key and the types, but not the value: the text of an error of
// encoding/json may quote it (SEC-28).
func (k Key[T]) failed(verb string, err error) error {
	return fmt.Errorf("session: %s the value %q: %w", verb, k.name, &jsonError{err, reflect.TypeFor[T]().String()})
}
