package session

import (
	"context"
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
		if e.Err != nil {
			attrs = []slog.Attr{slog.String("error", e.Err.Error())}
		}
		to := l
		if to == nil {
			to = slog.Default()
		}
		to.LogAttrs(ctx, e.Kind.Level(), "session "+string(e.Kind), attrs...)
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
