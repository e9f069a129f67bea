package session

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Log returns a function for [Options.Events] that writes to l, or to [slog.Default] as it
// is then if l is nil:
//
//	sessions, err := session.New(s, &session.Options{Events: session.Log(nil)})
//
// What is daily business is of level Debug, what a person did is Info, what smells of
// an attack or of a program that is wrong is Warn, and a store that fails is Error.
func Log(l *slog.Logger) func(ctx context.Context, e Event) {
	return func(ctx context.Context, e Event) {
		var attrs []slog.Attr
		level := e.Kind.Level()
		if e.Err != nil {
			attrs = []slog.Attr{slog.String("error", e.Err.Error())}
			if e.Kind == Expired || e.Kind == Reused { // and the store would not end it
				level = slog.LevelError
			}
		}
		to := l
		if to == nil {
			to = slog.Default()
		}
		to.LogAttrs(ctx, level, "session "+string(e.Kind), attrs...)
	}
}

// Level is how serious an event of the kind is.
func (k Kind) Level() slog.Level {
	switch k {
	case UnknownID, Conflict, Gone, Expired:
		return slog.LevelDebug
	case Reused, Malformed, Ambiguous, Limit, Unreadable, Bypassed, Insecure:
		return slog.LevelWarn
	case LoadError, TouchError, SaveError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Format prints what String says, whatever the verb: %d and %x would show the id (SEC-28).
func (s *Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Format prints what String says, whatever the verb (SEC-28).
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// Format prints what String says, whatever the verb: where one does not fit a pointer, like
// %c, package fmt prints what it points to, which is the session here.
func (sc *scope) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, sc.String()) }
