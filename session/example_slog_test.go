package session_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// What happens to sessions goes into the program's log.
func ExampleLog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for this example
			}
			return a
		},
	}))
	sessions, err := session.New(memory.New(nil), &session.Options{Events: session.Log(logger)})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.From(r.Context()); err == nil {
			_ = s.SetOwner("user:alice")
		}
	}))

	r := httptest.NewRequest("GET", "https://example.com/", nil)
	r.Header.Set("Cookie", "__Host-Http-session=' OR 1=1--")
	server.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=WARN msg="session malformed"
	// level=INFO msg="session created"
}
