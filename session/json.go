package session

import "encoding/json"

func unmarshal[T any](text []byte) (v T, err error) {
	err = json.Unmarshal(text, &v)
	return v, err
}

// jsonError hides the text of an error of encoding/json, which may quote the
// value. [errors.As] still finds it.
type jsonError struct {
	err  error
	kind string
}

func (e *jsonError) Error() string { return "it cannot be converted between JSON and " + e.kind }
func (e *jsonError) Unwrap() error { return e.err }
