package session

import "net/http"

// answer is the response that [Options.OnError] writes to. Its status is 503 unless
// another is set: one that was forgotten must not turn a lost write into a 200.
type answer struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(code int) {
	a.begun = a.begun || code >= 200
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) begin() {
	if !a.begun {
		a.WriteHeader(http.StatusServiceUnavailable)
	}
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// Flush implements [http.Flusher].
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}
